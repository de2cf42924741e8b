"""What was said about a promotion: threads, on lines of its difference or on the whole."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from prompts_app.models import Comment, Promotion


@dataclass(frozen=True)
class Thread:
    """A remark with its answers. `is_outdated`: it is about a line, and the candidate is compared with something else by
    now."""

    first: Comment
    replies: tuple[Comment, ...]
    is_outdated: bool

    @property
    def is_resolved(self) -> bool:
        """True where it was dealt with."""
        return self.first.resolved_at is not None

    @property
    def is_on_line(self) -> bool:
        """True where it is about one line."""
        return bool(self.first.line)

    @property
    def place(self) -> tuple[str, str, int]:
        """Path, side and line."""
        return self.first.path, self.first.side, self.first.line or 0

    @property
    def key(self) -> str:
        """Where the line stands on the page."""
        path, side, line = self.place
        return f"{path.replace('[', '-').replace(']', '')}-{side}-{line}"

    @property
    def at(self) -> datetime:
        """When it was begun."""
        return self.first.created_at


def threads_of(promotion: Promotion) -> tuple[Thread, ...]:
    """All threads, oldest first; one query."""
    return threaded(promotion, list(Comment.objects.filter(promotion=promotion)))


def threaded(promotion: Promotion, comments: Sequence[Comment]) -> tuple[Thread, ...]:
    """Comments in their order as threads."""
    answers: dict[int, list[Comment]] = defaultdict(list)
    for comment in comments:
        if comment.reply_to_id is not None:
            answers[comment.reply_to_id].append(comment)
    return tuple(
        Thread(
            first=comment,
            replies=tuple(answers[comment.pk]),
            is_outdated=bool(comment.line) and comment.base_id != promotion.base_id,
        )
        for comment in comments
        if comment.reply_to_id is None
    )
