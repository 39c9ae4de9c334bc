"""A pod's first process, as a whole program of some 250 bytes.

It does what Kubernetes' pause image does: wait, leave at SIGTERM or SIGINT, and let the kernel collect orphaned
processes (ignoring SIGCHLD means just that, see wait(2)). It is machine code, so that neither a compiler nor a foreign
binary is needed. In C it would read:

    sigaction(SIGCHLD, SIG_IGN); sigaction(SIGTERM, leave); sigaction(SIGINT, leave); for (;;) pause();
"""

import struct

BASE = 0x400000
HEADERS = 64 + 56  # the ELF header and one program header
SA_RESTORER = 0x04000000  # the kernel insists on one; the handler never returns to it
SIG_IGN = 1


def _actions(leave: int) -> bytes:
    """Two `struct kernel_sigaction` (handler, flags, restorer, mask): to ignore, and to go to the address `leave`."""
    return struct.pack("<8Q", SIG_IGN, SA_RESTORER, leave, 0, leave, SA_RESTORER, leave, 0)


def _x86_64() -> bytes:
    code = bytes.fromhex(
        "488d3549000000 bf11000000 e824000000"  # lea rsi, [ignore]; mov edi, 17; call set
        "488d3558000000 bf0f000000 e813000000"  # lea rsi, [leave]; mov edi, 15; call set
        "bf02000000 e809000000"  # mov edi, 2; call set
        "b822000000 0f05 ebf7"  # mov eax, 34 (pause); syscall; again
        "31d2 41ba08000000 b80d000000 0f05 c3"  # set: rt_sigaction(edi, rsi, 0, 8); ret
        "31ff b83c000000 0f05 6690"  # leave: exit(0)
    )
    return code + _actions(BASE + HEADERS + 0x45)


def _arm64() -> bytes:
    def adr_x1(distance: int) -> int:
        return 0x10000001 | (distance >> 2) << 5

    ignore, leave = 88, 120
    words = (
        *(adr_x1(ignore), 0xD2800220, 0xAA1F03E2, 0xB27D03E3, 0xD28010C8, 0xD4000001),  # rt_sigaction(17, ignore, 0, 8)
        *(adr_x1(leave - 24), 0xB2400FE0, 0xD4000001),  # the same for 15
        *(0xB27F03E0, 0xD4000001),  # and for 2; x0 alone has changed
        *(0xAA1F03E0, 0xAA1F03E1, 0xAA1F03E2, 0xAA1F03E3, 0xAA1F03E4, 0xD2800928, 0xD4000001),  # ppoll(0, 0, 0, 0, 0)
        0x17FFFFF9,  # again
        *(0xAA1F03E0, 0xD2800BA8, 0xD4000001),  # leave: exit(0)
    )
    return struct.pack(f"<{len(words)}I", *words) + _actions(BASE + HEADERS + 19 * 4)


MACHINES = {"amd64": (62, _x86_64), "arm64": (183, _arm64)}


def program(architecture: str) -> bytes:
    """The ELF executable for `amd64` or `arm64`; ValueError for any other."""
    if architecture not in MACHINES:
        raise ValueError(f"there is no pause program for {architecture}")
    machine, assemble = MACHINES[architecture]
    body = assemble()
    size = HEADERS + len(body)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    return header + segment + body


async def install(name: str, socket: str, architecture: str = "") -> None:
    """Imports the program as the image `name` into the containerd at `socket`. Raises RuntimeFailure."""
    import platform
    import tempfile

    from umiak.node.images.archive import MACHINES as BY_MACHINE
    from umiak.node.images.archive import Settings, archive
    from umiak.node.images.imports import import_archive
    from umiak.node.images.layer import Layer

    wanted = architecture or BY_MACHINE.get(platform.machine(), platform.machine())
    layer = Layer()
    layer.file("pause", program(wanted))
    with tempfile.NamedTemporaryFile(suffix=".tar") as file:
        file.write(archive(name, [layer], Settings(entrypoint=["/pause"], user="65535:65535"), wanted))
        file.flush()
        await import_archive(file.name, socket)
