"""SelfSubjectReview: who am I?"""

from umiak.objects.meta import format_time
from umiak.objects.types import Object
from umiak.server.review import Asked, Judges, Review, user_info


async def run(judges: Judges, asked: Asked) -> Object:
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": format_time(judges.clock.now())},
        "status": {"userInfo": user_info(asked.user)},
    }


REVIEW = Review("authentication.k8s.io", "selfsubjectreviews", run)
