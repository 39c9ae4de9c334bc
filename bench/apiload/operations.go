package main

import (
	"fmt"
	"strings"
)

const pod = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"%s","labels":{"app":"load","tier":"web"},"annotations":{"note":"a load test pod"}},"spec":{"containers":[{"name":"web","image":"registry.example/web:1.2","ports":[{"containerPort":8080}],"env":[{"name":"A","value":"1"},{"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}},"readinessProbe":{"httpGet":{"path":"/healthz","port":8080}},"volumeMounts":[{"name":"data","mountPath":"/data"}]}],"volumes":[{"name":"data","emptyDir":{}}],"nodeSelector":{"none":"such"}}}`

const running = `{"status":{"phase":"Running","podIP":"10.1.2.3","conditions":[{"type":"Ready","status":"True"}]}}`

const configMap = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"ap-%d","labels":{"a":"b"}},"data":{"k":"%d"}}`

// A request is sent as it is; kind is its Content-Type, empty where there is no body.
type request struct {
	method, path, kind, body string
}

func get(path string) request { return request{method: "GET", path: path} }

func post(path, body string) request { return request{"POST", path, "application/json", body} }

func remove(path string) request { return request{method: "DELETE", path: path} }

func patch(path, kind, body string) request {
	return request{"PATCH", path, "application/" + kind, body}
}

func namespaced(resource string) string {
	return "/api/v1/namespaces/" + *ns + "/" + resource
}

// An operation is a number of requests that do not depend on each other.
type operation struct {
	times   int
	request func(i int) request
}

func operations() map[string]operation {
	pods := namespaced("pods")
	named := func(i int) string { return fmt.Sprintf("%s/load-%d", pods, i) }
	return map[string]operation{
		"create": {*n, func(i int) request {
			return post(pods, strings.Replace(pod, "%s", fmt.Sprintf("load-%d", i), 1))
		}},
		"get":  {3 * *n, func(i int) request { return get(named(i % *n)) }},
		"list": {*lists, func(i int) request { return get(pods + "?resourceVersion=0") }},
		"patch": {*n, func(i int) request {
			return patch(named(i), "strategic-merge-patch+json", fmt.Sprintf(`{"metadata":{"labels":{"i":"%d"}}}`, i))
		}},
		"status": {*n, func(i int) request { return patch(named(i)+"/status", "merge-patch+json", running) }},
		"apply": {*n, func(i int) request {
			path := fmt.Sprintf("%s/ap-%d?fieldManager=load&force=true", namespaced("configmaps"), i)
			return patch(path, "apply-patch+yaml", fmt.Sprintf(configMap, i, i))
		}},
		"delete": {*n, func(i int) request { return remove(named(i) + "?gracePeriodSeconds=0") }},
	}
}
