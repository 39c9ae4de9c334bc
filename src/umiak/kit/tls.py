"""TLS contexts for servers and clients: TLS 1.2 and newer, HTTP/1.1 by ALPN, files read anew when they change."""

import logging
import ssl
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

Stamp = tuple[tuple[int, int, int], ...]


def _stamp(path: str) -> tuple[int, int, int]:
    """Differs when the file does; zeros when it is not there."""
    try:
        found = Path(path).stat()
    except OSError:
        return 0, 0, 0
    return found.st_mtime_ns, found.st_size, found.st_ino


class _ServerFiles:
    """The files of a server's identity, and a context made from their present contents."""

    def __init__(self, certificate: str, key: str, client_ca: str) -> None:
        self._certificate = certificate
        self._key = key
        self._client_ca = client_ca
        self._stamp = self._look()
        self.context = self._load()

    def _look(self) -> Stamp:
        return tuple(_stamp(path) for path in (self._certificate, self._key, self._client_ca) if path)

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # Clients know which cipher is cheap for them: with Go's choice long answers cost a third less to encrypt.
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        # A resumed session skips the check of the client certificate, so a CA that was taken away would live on.
        context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.num_tickets = 0
        context.load_cert_chain(self._certificate, self._key)
        if self._client_ca:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(self._client_ca)
        return context

    def choose(self, connection: ssl.SSLObject, name: str | None, first: ssl.SSLContext) -> None:
        """Called in every handshake, with or without a server name."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            self._reload()
        connection.context = self.context

    def _reload(self) -> None:
        try:
            self.context = self._load()
            log.info("serving a new certificate file=%s", self._certificate)
        except (OSError, ssl.SSLError) as error:  # half-written, or key and certificate do not match yet
            log.warning("keeping the previous certificate file=%s error=%s", self._certificate, error)


def server_context(certificate: str, key: str, client_ca: str = "") -> ssl.SSLContext:
    """A server's context from PEM files. With `client_ca` clients may show a certificate, which then must verify.

    Changed files count from the next handshake on. Raises OSError or ssl.SSLError when they can not be loaded.
    """
    files = _ServerFiles(certificate, key, client_ca)
    files.context.sni_callback = files.choose
    return files.context


def client_context(
    ca_pem: str = "", certificate_pem: str = "", key_pem: str = "", *, insecure: bool = False
) -> ssl.SSLContext:
    """A client's context from PEM texts. Without `ca_pem` the system's authorities count.

    `insecure` trusts everybody. Raises ssl.SSLError when the texts can not be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_pem:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # any certificate given is trusted, as in Go
        context.load_verify_locations(cadata=ca_pem)
    else:
        context.load_default_certs()
    if certificate_pem:
        load_chain(context, certificate_pem, key_pem)
    return context


def load_chain(context: ssl.SSLContext, certificate_pem: str, key_pem: str) -> None:
    """Loads certificate and key from text; the ssl module reads files only, so they pass through a private one."""
    with tempfile.NamedTemporaryFile("w", prefix="umiak-", suffix=".pem") as file:  # mode 0600
        file.write(f"{key_pem}\n{certificate_pem}\n")
        file.flush()
        context.load_cert_chain(file.name)
