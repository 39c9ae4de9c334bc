// Command oracle asks the real kube-scheduler where pods would go.
//
// Each line of standard input is a cluster, {"objects": [...]}, of objects as an API server stores them. Each line of
// standard output tells about the pods in it that have no node, each judged alone against that same cluster: the nodes
// that fit, every plugin's weighted score for them, why the others do not fit, and what preemption would do.
//
// The scheduler is the default one, made by scheduler.New over a client that holds the objects; only its loop is not
// run, since a loop would bind. What the loop calls in between is unexported and repeated here: see decide and preempt.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	resource "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

// ties is how often two candidates for preemption are offered to see whether both may win: the reference takes the
// first of equals in the order of a Go map, which is random.
const ties = 64

// Cluster is one line of input.
type Cluster struct {
	Objects []json.RawMessage `json:"objects"`
}

// Answer tells about one pod.
type Answer struct {
	Pod       string                      `json:"pod"`
	Gated     string                      `json:"gated,omitempty"`
	Error     string                      `json:"error,omitempty"`
	Feasible  []string                    `json:"feasible"`
	Nominated bool                        `json:"nominated,omitempty"`
	Rejected  map[string]Rejection        `json:"rejected,omitempty"`
	Scores    map[string]map[string]int64 `json:"scores,omitempty"`
	Message   string                      `json:"message,omitempty"`
	Plugins   []string                    `json:"plugins,omitempty"`
	Preempts  *Preemption                 `json:"preempts,omitempty"`
}

// Rejection is what the first plugin that refused a node said of it.
type Rejection struct {
	Plugin   string   `json:"plugin"`
	Reasons  []string `json:"reasons"`
	Hopeless bool     `json:"hopeless,omitempty"`
}

// Preemption names the victims on each candidate node, and the nodes that are equally good to take.
type Preemption struct {
	Candidates map[string]Victims `json:"candidates,omitempty"`
	Best       []string           `json:"best,omitempty"`
	Message    string             `json:"message,omitempty"`
}

// Victims of one node, in the reference's order.
type Victims struct {
	Pods       []string `json:"pods"`
	Violations int64    `json:"violations"`
}

func main() {
	klog.SetLogger(logr.Discard())
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		must(err)
		must(output.Encode(answer(line)))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func answer(line []byte) []Answer {
	var cluster Cluster
	must(json.Unmarshal(line, &cluster))
	ctx, stop := context.WithCancel(klog.NewContext(context.Background(), logr.Discard()))
	defer stop()
	objects := read(cluster)
	world := open(ctx, objects)
	answers := []Answer{}
	for number, pod := range world.waiting {
		if number > 0 && hasClaims(objects) { // which DynamicResources may take back after a refusal
			world = open(ctx, objects)
		}
		answers = append(answers, world.judge(ctx, pod))
	}
	return answers
}

func hasClaims(objects []runtime.Object) bool {
	for _, object := range objects {
		if _, ok := object.(*resource.ResourceClaim); ok {
			return true
		}
	}
	return false
}

func read(cluster Cluster) []runtime.Object {
	var objects []runtime.Object
	for _, raw := range cluster.Objects {
		object, _, err := scheme.Codecs.UniversalDeserializer().Decode(raw, nil, nil)
		must(err)
		objects = append(objects, object)
	}
	return objects
}

// world is a scheduler that has seen all objects.
type world struct {
	snapshot  *cache.Snapshot
	framework framework.Framework
	preemptor *defaultpreemption.DefaultPreemption
	waiting   []*v1.Pod
}

func open(ctx context.Context, objects []runtime.Object) world {
	nodes, others := split(objects)
	client := fake.NewSimpleClientset(others...)
	factory := informers.NewSharedInformerFactory(client, 0)
	recorder := profile.NewRecorderFactory(events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()}))
	snapshot := cache.NewEmptySnapshot()
	every := int32(100)
	sched, err := scheduler.New(ctx, client, factory, nil, recorder,
		scheduler.WithNodeInfoSnapshot(snapshot), scheduler.WithPercentageOfNodesToScore(&every))
	must(err)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	must(sched.WaitForHandlersSync(ctx))
	add(ctx, client, sched, nodes)
	must(sched.Cache.UpdateSnapshot(klog.FromContext(ctx), snapshot))
	defaults := sched.Profiles[v1.DefaultSchedulerName]
	args := &config.DefaultPreemptionArgs{MinCandidateNodesPercentage: 100, MinCandidateNodesAbsolute: 1}
	gates := feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)
	preemptor, err := defaultpreemption.New(ctx, args, defaults, gates)
	must(err)
	found := world{snapshot: snapshot, framework: defaults, preemptor: preemptor}
	for _, object := range objects {
		if pod, ok := object.(*v1.Pod); ok && pod.Spec.NodeName == "" {
			found.waiting = append(found.waiting, pod)
		}
	}
	return found
}

func split(objects []runtime.Object) (nodes []*v1.Node, others []runtime.Object) {
	for _, object := range objects {
		if node, ok := object.(*v1.Node); ok {
			nodes = append(nodes, node)
		} else {
			others = append(others, object)
		}
	}
	return nodes, others
}

// add makes nodes known in order, as an API server lists them; the fake client lists in the order of a Go map. Whose
// size of an image counts depends on it.
func add(ctx context.Context, client *fake.Clientset, sched *scheduler.Scheduler, nodes []*v1.Node) {
	for _, node := range nodes {
		_, err := client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{})
		must(err)
	}
	for sched.Cache.NodeCount() < len(nodes) || !all(sched, nodes) {
		time.Sleep(time.Millisecond)
	}
}

// all tells whether the cache knows every node itself, not only of pods that name it.
func all(sched *scheduler.Scheduler, nodes []*v1.Node) bool {
	known := sched.Cache.Dump().Nodes
	for _, node := range nodes {
		if info := known[node.Name]; info == nil || info.Node() == nil {
			return false
		}
	}
	return true
}

func (w world) judge(ctx context.Context, pod *v1.Pod) Answer {
	found := Answer{Pod: pod.Namespace + "/" + pod.Name, Feasible: []string{}}
	for _, plugin := range w.framework.PreEnqueuePlugins() {
		if status := plugin.PreEnqueue(ctx, pod); !status.IsSuccess() {
			found.Gated = status.Message()
			return found
		}
	}
	w.decide(ctx, pod, &found)
	return found
}

// decide repeats Scheduler.schedulePod and findNodesThatFitPod (pkg/scheduler/schedule_one.go).
func (w world) decide(ctx context.Context, pod *v1.Pod, found *Answer) {
	state := framework.NewCycleState()
	diagnosis := framework.Diagnosis{NodeToStatus: framework.NewDefaultNodeToStatus()}
	nodes, err := w.snapshot.NodeInfos().List()
	must(err)
	chosen, status, by := w.framework.RunPreFilterPlugins(ctx, state, pod)
	diagnosis.UnschedulablePlugins = by
	if !status.IsSuccess() {
		if !status.IsRejected() {
			found.Error = status.Message()
			return
		}
		diagnosis.NodeToStatus.SetAbsentNodesStatus(status)
		diagnosis.PreFilterMsg = status.Message()
		diagnosis.AddPluginStatus(status)
		nodes = nil
	} else if !chosen.AllNodes() {
		nodes = w.named(chosen)
		text := fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", sorted(by.UnsortedList()))
		diagnosis.NodeToStatus.SetAbsentNodesStatus(fwk.NewStatus(fwk.UnschedulableAndUnresolvable, text))
	}
	if status.IsSuccess() && pod.Status.NominatedNodeName != "" {
		if info, err := w.snapshot.NodeInfos().Get(pod.Status.NominatedNodeName); err == nil &&
			w.framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, info).IsSuccess() {
			found.Nominated, found.Feasible = true, []string{info.Node().Name}
			return
		}
	}
	feasible := w.filter(ctx, state, pod, nodes, &diagnosis, found)
	if found.Error != "" {
		return
	}
	if len(feasible) == 0 {
		fit := &framework.FitError{Pod: pod, NumAllNodes: w.snapshot.NumNodesInPlacement(), Diagnosis: diagnosis}
		found.Message, found.Plugins = fit.Error(), sorted(diagnosis.UnschedulablePlugins.UnsortedList())
		found.Preempts = w.preempt(ctx, state, pod, diagnosis.NodeToStatus)
	} else if len(feasible) > 1 {
		found.Scores = w.score(ctx, state, pod, feasible)
	}
}

func (w world) named(chosen *fwk.PreFilterResult) []fwk.NodeInfo {
	var nodes []fwk.NodeInfo
	for name := range chosen.NodeNames {
		if info, err := w.snapshot.NodeInfos().Get(name); err == nil {
			nodes = append(nodes, info)
		}
	}
	return nodes
}

func (w world) filter(ctx context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo, diagnosis *framework.Diagnosis, found *Answer) []fwk.NodeInfo {
	var feasible []fwk.NodeInfo
	found.Rejected = map[string]Rejection{}
	for _, info := range nodes {
		status := w.framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, info)
		switch {
		case status.IsSuccess():
			feasible = append(feasible, info)
			found.Feasible = append(found.Feasible, info.Node().Name)
		case status.Code() == fwk.Error:
			found.Error = status.Message()
			return nil
		default:
			diagnosis.NodeToStatus.Set(info.Node().Name, status)
			diagnosis.AddPluginStatus(status)
			hopeless := status.Code() == fwk.UnschedulableAndUnresolvable
			found.Rejected[info.Node().Name] = Rejection{status.Plugin(), status.Reasons(), hopeless}
		}
	}
	sort.Strings(found.Feasible)
	return feasible
}

// score repeats prioritizeNodes. The total is under "".
func (w world) score(ctx context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo) map[string]map[string]int64 {
	must(w.framework.RunPreScorePlugins(ctx, state, pod, nodes).AsError())
	given, status := w.framework.RunScorePlugins(ctx, state, pod, nodes)
	must(status.AsError())
	scores := map[string]map[string]int64{}
	for _, each := range given {
		scores[each.Name] = map[string]int64{"": each.TotalScore}
		for _, by := range each.Scores {
			scores[each.Name][by.Name] = by.Score
		}
	}
	return scores
}

// preempt repeats Evaluator.evaluate and findCandidates (pkg/scheduler/framework/preemption/preemption.go).
func (w world) preempt(ctx context.Context, state fwk.CycleState, pod *v1.Pod, statuses *framework.NodeToStatus) *Preemption {
	found := &Preemption{Candidates: map[string]Victims{}}
	eligible, _ := w.preemptor.PodEligibleToPreemptOthers(ctx, pod, statuses.Get(pod.Status.NominatedNodeName))
	evaluator := w.preemptor.Evaluator
	potential, err := statuses.NodesForStatusCode(w.snapshot.NodeInfos(), fwk.Unschedulable)
	must(err)
	var candidates []preemption.Candidate
	if eligible && len(potential) > 0 {
		budgets, err := evaluator.PdbLister.List(labels.Everything())
		must(err)
		candidates, _, err = evaluator.DryRunPreemption(ctx, state, pod, potential, budgets, 0, int32(len(potential))+1)
		must(err)
	}
	if len(candidates) == 0 {
		// That nobody leaves is certain, so this does no harm; other plugins have a say, too.
		_, status := w.framework.RunPostFilterPlugins(ctx, state, pod, statuses)
		found.Message = status.Message()
		return found
	}
	for _, candidate := range candidates {
		victims := Victims{Pods: []string{}, Violations: candidate.Victims().NumPDBViolations}
		for _, victim := range candidate.Victims().Pods {
			victims.Pods = append(victims.Pods, victim.Namespace+"/"+victim.Name)
		}
		found.Candidates[candidate.Name()] = victims
	}
	found.Best = best(ctx, evaluator, candidates)
	return found
}

func best(ctx context.Context, evaluator *preemption.Evaluator, candidates []preemption.Candidate) []string {
	chosen := evaluator.SelectCandidate(ctx, candidates)
	names := []string{chosen.Name()}
	for _, other := range candidates {
		for range ties {
			if other.Name() == chosen.Name() {
				break
			}
			if evaluator.SelectCandidate(ctx, []preemption.Candidate{chosen, other}).Name() == other.Name() {
				names = append(names, other.Name())
				break
			}
		}
	}
	return sorted(names)
}

func sorted(names []string) []string {
	sort.Strings(names)
	return names
}
