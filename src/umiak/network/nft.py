"""Runs nftables scripts. One transaction each: all of it is applied or nothing."""

import asyncio


class NftError(Exception):
    """nft refused a script, or is not installed; the kernel keeps the rules it had. The text is nft's own."""


async def run(script: str) -> None:
    """Applies one transaction. Raises NftError."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec("nft", "-f", "-", stdin=pipe, stdout=pipe, stderr=pipe)
    except FileNotFoundError:
        raise NftError("nft is not installed: apt-get install nftables") from None
    _, complaint = await process.communicate(script.encode())
    if process.returncode != 0:
        raise NftError(complaint.decode(errors="replace").strip()[:2000])
