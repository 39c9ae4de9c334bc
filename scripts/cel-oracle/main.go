// cel-oracle answers, one JSON line per question on its standard input, what Kubernetes' own environment makes of an
// expression: faults, type, estimated and actual cost, value or error. Recorded answers are in tests/objects/cel.
//
//	go mod tidy && go run . < questions.jsonl > answers.jsonl
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/common"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/apiserver/pkg/cel/library"
)

// question has dynamic variables in Vars; with a Schema also self, a custom resource.
type question struct {
	Expr   string
	Vars   map[string]any
	Schema *v1.JSONSchemaProps
	Self   json.RawMessage
}

type answer struct {
	Issues string  `json:"issues,omitempty"`
	Min    uint64  `json:"min"`
	Max    uint64  `json:"max"`
	Value  string  `json:"value,omitempty"`
	Error  string  `json:"error,omitempty"`
	Cost   *uint64 `json:"cost,omitempty"`
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			panic(err)
		}
		if err := out.Encode(ask(q)); err != nil {
			panic(err)
		}
	}
}

func ask(q question) answer {
	env, vars, estimator := prepare(q)
	ast, issues := env.Compile(q.Expr)
	if issues.Err() != nil {
		return answer{Issues: issues.String()}
	}
	cost, err := env.EstimateCost(ast, estimator)
	if err != nil {
		panic(err)
	}
	a := answer{Min: cost.Min, Max: cost.Max}
	program, err := env.Program(ast)
	if err != nil {
		a.Error = "program: " + err.Error()
		return a
	}
	value, details, err := program.Eval(vars)
	if err != nil {
		a.Error = err.Error()
		return a
	}
	a.Cost, a.Value = details.ActualCost(), format(value)
	return a
}

func prepare(q question) (*cel.Env, map[string]any, checker.CostEstimator) {
	opts, vars := []cel.EnvOption{}, map[string]any{}
	for name, value := range q.Vars {
		opts, vars[name] = append(opts, cel.Variable(name, cel.DynType)), value
	}
	types, estimator := []*apiservercel.DeclType{}, &library.CostEstimator{}
	if q.Schema != nil {
		s := structural(q.Schema)
		root := model.SchemaDeclType(s, true).MaybeAssignTypeName("selfType")
		opts, types = append(opts, cel.Variable("self", root.CelType())), append(types, root)
		vars["self"] = common.UnstructuredToVal(self(q), &model.Structural{Structural: model.WithTypeAndObjectMeta(s)})
		estimator.SizeEstimator = &sizes{root}
	}
	set, err := environment.MustBaseEnvSet(version.MajorMinor(1, 37)).Extend(environment.VersionedOptions{
		IntroducedVersion: version.MajorMinor(1, 0), EnvOptions: opts, DeclTypes: types})
	if err != nil {
		panic(err)
	}
	return set.StoredExpressionsEnv(), vars, estimator
}

func structural(props *v1.JSONSchemaProps) *schema.Structural {
	internal := &apiextensions.JSONSchemaProps{}
	if err := v1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(props, internal, nil); err != nil {
		panic(err)
	}
	s, err := schema.NewStructural(internal)
	if err != nil {
		panic(err)
	}
	return s
}

func self(q question) map[string]any {
	found := map[string]any{}
	if err := utiljson.Unmarshal(q.Self, &found); err != nil {
		panic(fmt.Sprint(q.Expr, err))
	}
	return found
}
