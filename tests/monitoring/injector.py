"""The injector's metrics."""

from datetime import datetime, timedelta

from sovereign_operator.injector import metrics, server
from sovereign_operator.injector.admission_review import About, Injected, Review, Untouched


def show_reviews() -> None:
    """Count reviews as the injector does when it answers them."""
    review = Review("uid", "records", "system:serviceaccount:kube-system:replicaset-controller", About.POD, None, None)
    for answer in (Untouched(), Injected("secnumcloud", [])):
        server._response(review, answer)  # noqa: SLF001


def show_morning(now: datetime, _minute: int) -> None:
    """Show the morning at one minute."""
    metrics.CERTIFICATE_END.set((now + timedelta(days=5)).timestamp())
    metrics.AUTHORITY_END.set((now + timedelta(days=3000)).timestamp())
    show_reviews()


def show_bad_day(now: datetime) -> None:
    """Show all that the alerts are about, but that no injector answers."""
    metrics.CERTIFICATE_END.set((now + timedelta(days=5)).timestamp())
    metrics.AUTHORITY_END.set((now + timedelta(days=20)).timestamp())
    show_reviews()
