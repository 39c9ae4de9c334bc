"""Changes of what admission looks at, as (method, path, body): what was remembered holds no longer after them."""


def policy(operation):
    """A policy that refuses pods by the name `a`, put in force and taken away again."""
    return {
        "policy": ("POST", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", {
            "metadata": {"name": "p"},
            "spec": {
                "matchConstraints": {"resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": ["pods"]}
                ]},
                "validations": [{"expression": "object.metadata.name != 'a'"}],
            },
        }),
        "binding": ("POST", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings", {
            "metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}
        }),
        "no policy": ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p", None),
        "no binding": ("DELETE", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings/b", None),
    }  # fmt: skip
