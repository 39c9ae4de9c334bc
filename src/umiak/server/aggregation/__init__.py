"""API servers behind this one: groups and versions that an APIService gives to somebody else's Service.

Requests for them are handed on with the name of whoever sent them; what they serve is shown among what is served here.
`follow` is loaded with the server, everything else with the first such APIService.
"""
