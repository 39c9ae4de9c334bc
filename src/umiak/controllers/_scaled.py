"""Numbers given as a count or as a percentage, like `maxSurge: 25%`."""


def scaled(value: int | str | None, total: int, *, round_up: bool) -> int:
    """An int as it is; "25%" of `total`, rounded as asked; None is 0. Raises ValueError on other text."""
    if value is None:
        return 0
    if isinstance(value, int):
        return value
    digits = value.removesuffix("%")
    if digits is value or not digits.removeprefix("-").isdecimal():
        raise ValueError(f'invalid value for IntOrString: invalid type: string is not a percentage "{value}"')
    percent = int(digits) * total
    return -(-percent // 100) if round_up else percent // 100
