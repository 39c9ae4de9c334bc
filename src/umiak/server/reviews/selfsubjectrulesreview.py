"""SelfSubjectRulesReview: what may I do in this namespace?"""

from umiak.objects.errors import bad_request
from umiak.objects.types import Object
from umiak.server.access.rules import Rule
from umiak.server.review import Asked, Judges, Review
from umiak.server.reviews._access import GROUP


def resource_rule(rule: Rule) -> Object:
    found = {"verbs": rule.verbs, "apiGroups": rule.groups, "resources": rule.resources, "resourceNames": rule.names}
    return {field: list(words) for field, words in found.items() if words}


async def run(judges: Judges, asked: Asked) -> Object:
    namespace = (asked.obj.get("spec") or {}).get("namespace")
    if not namespace:
        raise bad_request("no namespace on request")
    rules, trouble, incomplete = judges.authorization.rules_for(asked.user, namespace)
    status: Object = {
        "resourceRules": [resource_rule(rule) for rule in rules if rule.resources],
        "nonResourceRules": [
            {"verbs": list(rule.verbs), "nonResourceURLs": list(rule.urls)} for rule in rules if rule.urls
        ],
        "incomplete": incomplete,
    }
    if trouble:
        status["evaluationError"] = trouble
    return {
        "kind": "SelfSubjectRulesReview",
        "apiVersion": f"{GROUP}/v1",
        "metadata": {},
        "spec": {},
        "status": status,
    }


REVIEW = Review(GROUP, "selfsubjectrulesreviews", run)
