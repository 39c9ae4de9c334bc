"""TokenReview: whom does this token stand for?"""

from umiak.objects.errors import bad_request
from umiak.objects.types import Object
from umiak.server.access.credentials import Unverified
from umiak.server.review import Asked, Judges, Review, user_info


async def run(judges: Judges, asked: Asked) -> Object:
    spec = asked.obj.get("spec") or {}
    if not spec.get("token"):
        raise bad_request("token is required for TokenReview in authentication")
    audiences = spec.get("audiences") or judges.authentication.audiences
    try:
        verified = await judges.authentication.review(spec["token"], audiences)
    except Unverified as why:
        return {**asked.obj, "status": {"user": {}, "error": str(why)}}
    status = {"authenticated": True, "user": user_info(verified.user), "audiences": list(verified.audiences)}
    return {**asked.obj, "status": status}


REVIEW = Review("authentication.k8s.io", "tokenreviews", run)
