"""What lies on the partition that every laptop shows: the commented file, with what the office filled in."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .packages import HERE
from .trouble import CannotBuild

README = """Điểm Cầu – thiết bị đầu cuối

Ổ đĩa này chỉ để chỉnh tệp diemcau.toml, khi điểm cầu không có dây mạng thường hoặc cần địa chỉ cố định.
Mở diemcau.toml bằng Notepad hay trình soạn thảo bất kỳ, làm theo lời giải thích trong tệp, lưu lại,
lắp vào máy rồi bật. Sửa sai thì màn hình của máy nói sai ở dòng nào. Không cần sửa gì thì để nguyên.
"""


def boot_file(
    address: str = "", roots: Sequence[str] = (), contact: str = "", phone: str = "", *, example: str = ""
) -> str:
    """`diemcau.toml` with these keys filled in, in the place of their examples; line ends as Windows' editor
    wants them. Raises :class:`CannotBuild` when the example has no place for one."""
    text = example or (HERE / "boot/diemcau.toml").read_text(encoding="utf-8")
    filled = {"address": address, "roots": list(roots), "contact": contact, "phone": phone}
    lines = text.splitlines()
    for key, value in filled.items():
        if not value:
            continue
        at = [number for number, line in enumerate(lines) if line.startswith(f"#{key} = ")]
        if len(at) != 1:
            raise CannotBuild(f"firmware/boot/diemcau.toml has {len(at)} lines #{key} = …, not one")
        lines[at[0]] = f"{key} = {json.dumps(value, ensure_ascii=False)}"
    return "\r\n".join(lines) + "\r\n"


def files(boot_file: str) -> dict[str, bytes]:
    """What is put on that partition."""
    return {
        "diemcau.toml": boot_file.encode(),
        "DOC-TRUOC.txt": README.replace("\n", "\r\n").encode("utf-8-sig"),
    }
