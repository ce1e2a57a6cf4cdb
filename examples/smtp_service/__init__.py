"""A small part of SMTP with STARTTLS, without I/O."""

from examples.smtp_service.answer import Answer, Then
from examples.smtp_service.session import Limits, Message, Session

__all__ = ["Answer", "Limits", "Message", "Session", "Then"]
