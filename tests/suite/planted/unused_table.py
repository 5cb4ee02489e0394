"""A hundred megabytes that nothing reads."""

TABLE = [b"x" * 967 + bytes([number % 256]) for number in range(100_000)]  # 967 + 1 + 33 of the object: 1,001 bytes


def look_up(number):
    return TABLE[number]
