"""Names inside a pod."""

import pytest

from umiak.node.hosts import Resolver, hosts_file, kernel_hostname, pod_dns, read_resolv_conf, sorted_ips
from umiak.node.runtime import Dns

HOST = Dns(("192.0.2.53",), ("lab.example",), ("edns0",))
CLUSTER = Resolver(("10.96.0.10",), "cluster.local", HOST)


def a_pod(**spec):
    return {"metadata": {"name": "web-0", "namespace": "shop"}, "spec": spec}


def test_resolv_conf():
    text = "# x\nnameserver 1.1.1.1\nnameserver 9.9.9.9\ndomain a\nsearch b.example. c\noptions ndots:2 rotate\n"
    assert read_resolv_conf(text) == Dns(("1.1.1.1", "9.9.9.9"), ("b.example", "c"), ("ndots:2", "rotate"))


def test_cluster_first():
    found = pod_dns(a_pod(), CLUSTER)
    assert found.servers == ("10.96.0.10",)
    assert found.searches == ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "lab.example")
    assert found.options == ("ndots:5",)


@pytest.mark.parametrize(
    ("spec", "servers"),
    [
        ({"dnsPolicy": "Default"}, ("192.0.2.53",)),
        ({"hostNetwork": True}, ("192.0.2.53",)),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, ("10.96.0.10",)),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["8.8.8.8"]}}, ("8.8.8.8",)),
    ],
)
def test_policies(spec, servers):
    assert pod_dns(a_pod(**spec), CLUSTER).servers == servers


def test_config_adds_and_overrides():
    config = {
        "nameservers": ["1.1.1.1"],
        "searches": ["x.example"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "debug"}],
    }
    found = pod_dns(a_pod(dnsConfig=config), CLUSTER)
    assert found.servers == ("10.96.0.10", "1.1.1.1")
    assert found.searches[-1] == "x.example"
    assert found.options == ("ndots:2", "debug")


def test_hosts_file():
    pod = a_pod(hostname="h", subdomain="sub", hostAliases=[{"ip": "1.2.3.4", "hostnames": ["foo", "bar"]}])
    text = hosts_file(pod, ["10.0.0.2"], "cluster.local")
    assert text.startswith("# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n")
    assert "10.0.0.2\th.sub.shop.svc.cluster.local\th\n" in text
    assert text.endswith("\n# Entries added by HostAliases.\n1.2.3.4\tfoo\tbar\n")


def test_hosts_file_of_the_machine():
    text = hosts_file(a_pod(hostNetwork=True), [], "cluster.local", machine="127.0.0.1 me\n")
    assert text == "# Kubernetes-managed hosts file (host network).\n127.0.0.1 me\n"


def test_host_name_in_full():
    pod = a_pod(subdomain="s", setHostnameAsFQDN=True)
    assert kernel_hostname(pod, "cluster.local") == "web-0.s.shop.svc.cluster.local"
    with pytest.raises(ValueError, match="is too long"):
        kernel_hostname(pod, "a" * 60)


def test_long_names_are_cut():
    assert kernel_hostname({"metadata": {"name": "a" * 62 + "-b"}, "spec": {}}, "x") == "a" * 62


def test_one_address_per_family():
    assert sorted_ips(["fd00::1", "10.0.0.1", "10.0.0.2"]) == ("10.0.0.1", "fd00::1")
    assert sorted_ips(["10.0.0.1", "fd00::1"], first=6) == ("fd00::1", "10.0.0.1")
