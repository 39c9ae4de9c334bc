// What programs made with client-go do, against the cluster of $KUBECONFIG, in the namespace of $NAMESPACE: one line
// of output for each step, exit code 1 with the first that fails.
//
// Everything is asked for in protobuf, but for what has none (custom resources, patches).
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/util/retry"
)

const patience = 4 * time.Minute

var maps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

type program struct {
	context   context.Context
	config    *rest.Config
	plain     *rest.Config
	client    kubernetes.Interface
	namespace string
}

func main() {
	plain, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		fail("configuration", err)
	}
	plain.QPS, plain.Burst = 200, 400
	config := rest.CopyConfig(plain)
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	p := &program{ctx, config, plain, kubernetes.NewForConfigOrDie(config), os.Getenv("NAMESPACE")}
	steps := map[string]func() error{
		"mapper": p.mapper, "informer": p.informer, "watchlist": p.watchList, "bookmarks": p.bookmarks,
		"dynamic": p.dynamic, "metadata": p.metadata, "apply": p.apply, "conflict": p.conflict, "pager": p.pager,
		"leader": p.leader, "resume": p.resume,
	}
	for _, name := range os.Args[1:] {
		started := time.Now()
		if err := steps[name](); err != nil {
			fail(name, err)
		}
		fmt.Printf("%s ok %d ms\n", name, time.Since(started).Milliseconds())
	}
}

func fail(step string, err error) {
	fmt.Printf("%s failed: %v\n", step, err)
	os.Exit(1)
}

func (p *program) make(name string, labels map[string]string) error {
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Data: map[string]string{"a": "1"}}
	_, err := p.client.CoreV1().ConfigMaps(p.namespace).Create(p.context, made, metav1.CreateOptions{})
	return err
}

// until waits for an answer on a channel that handlers of informers send to.
func until[T comparable](seen <-chan T, wanted T) error {
	late := time.After(patience)
	for {
		select {
		case found := <-seen:
			if found == wanted {
				return nil
			}
		case <-late:
			return fmt.Errorf("no %v", wanted)
		}
	}
}

// mapper finds kinds by discovery, as every generic client does.
func (p *program) mapper() error {
	found := discovery.NewDiscoveryClientForConfigOrDie(p.plain)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: "apps", Kind: "Deployment"})
	if err != nil {
		return err
	}
	if mapping.Resource.Resource != "deployments" || mapping.Scope.Name() != "namespace" {
		return fmt.Errorf("wrong mapping: %v", mapping)
	}
	groups, lists, err := found.ServerGroupsAndResources()
	if err != nil || len(groups) < 20 || len(lists) < 22 {
		return fmt.Errorf("%d groups, %d lists: %v", len(groups), len(lists), err)
	}
	_, err = found.OpenAPIV3().Paths()
	return err
}

// informer follows objects with a shared informer and an index, and hears of each change once.
func (p *program) informer() error {
	factory := informers.NewSharedInformerFactoryWithOptions(p.client, 0, informers.WithNamespace(p.namespace))
	informer := factory.Core().V1().ConfigMaps().Informer()
	seen := make(chan string, 1000)
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { seen <- "added " + obj.(*corev1.ConfigMap).Name },
		UpdateFunc: func(_, obj any) { seen <- "changed " + obj.(*corev1.ConfigMap).Name },
		DeleteFunc: func(obj any) {
			if found, ok := obj.(*corev1.ConfigMap); ok {
				seen <- "deleted " + found.Name
			}
		},
	})
	if err != nil {
		return err
	}
	err = informer.AddIndexers(cache.Indexers{"a": func(obj any) ([]string, error) {
		return []string{obj.(*corev1.ConfigMap).Data["a"]}, nil
	}})
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	defer close(stop)
	factory.Start(stop)
	if !cache.WaitForCacheSync(stop, informer.HasSynced) {
		return fmt.Errorf("not synced")
	}
	if err := p.make("followed", nil); err != nil {
		return err
	}
	if err := until(seen, "added followed"); err != nil {
		return err
	}
	mine := p.client.CoreV1().ConfigMaps(p.namespace)
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := mine.Get(p.context, "followed", metav1.GetOptions{})
		if err != nil {
			return err
		}
		found.Data["a"] = "2"
		_, err = mine.Update(p.context, found, metav1.UpdateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	if err := until(seen, "changed followed"); err != nil {
		return err
	}
	if found, err := informer.GetIndexer().ByIndex("a", "2"); err != nil || len(found) != 1 {
		return fmt.Errorf("index has %d: %v", len(found), err)
	}
	if err := mine.Delete(p.context, "followed", metav1.DeleteOptions{}); err != nil {
		return err
	}
	return until(seen, "deleted followed")
}

// watchList streams what is there as the beginning of a watch (sendInitialEvents), up to the bookmark that ends it.
func (p *program) watchList() error {
	for i := range 5 {
		if err := p.make(fmt.Sprintf("stream-%d", i), map[string]string{"step": "watchlist"}); err != nil {
			return err
		}
	}
	yes := true
	stream, err := p.client.CoreV1().ConfigMaps(p.namespace).Watch(p.context, metav1.ListOptions{
		LabelSelector: "step=watchlist", SendInitialEvents: &yes, AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		return err
	}
	defer stream.Stop()
	added := 0
	for event := range stream.ResultChan() {
		found, ok := event.Object.(*corev1.ConfigMap)
		if !ok {
			return fmt.Errorf("%v", event)
		}
		if event.Type == watch.Bookmark {
			if found.Annotations[metav1.InitialEventsAnnotationKey] != "true" || added != 5 {
				return fmt.Errorf("bookmark after %d: %v", added, found.Annotations)
			}
			return nil
		}
		added++
	}
	return fmt.Errorf("the stream ended after %d", added)
}

// bookmarks move the version of a quiet watch on.
func (p *program) bookmarks() error {
	seconds := int64(3)
	stream, err := p.client.CoreV1().ConfigMaps(p.namespace).Watch(p.context, metav1.ListOptions{
		FieldSelector: "metadata.name=nobody", AllowWatchBookmarks: true, TimeoutSeconds: &seconds,
	})
	if err != nil {
		return err
	}
	defer stream.Stop()
	for event := range stream.ResultChan() {
		if event.Type == watch.Bookmark && event.Object.(*corev1.ConfigMap).ResourceVersion != "" {
			return nil
		}
	}
	return fmt.Errorf("no bookmark before the end")
}

// dynamic follows objects without knowing their type.
func (p *program) dynamic() error {
	client := dynamic.NewForConfigOrDie(p.plain)
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, p.namespace, nil)
	seen := make(chan string, 1000)
	informer := factory.ForResource(maps).Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { seen <- obj.(*unstructured.Unstructured).GetName() },
	})
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	defer close(stop)
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	made := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "dynamic"},
	}}
	if _, err := client.Resource(maps).Namespace(p.namespace).Create(p.context, made, metav1.CreateOptions{}); err != nil {
		return err
	}
	return until(seen, "dynamic")
}

// metadata follows PartialObjectMetadata, in protobuf.
func (p *program) metadata() error {
	client := metadata.NewForConfigOrDie(p.config)
	factory := metadatainformer.NewFilteredSharedInformerFactory(client, 0, p.namespace, nil)
	seen := make(chan string, 1000)
	_, err := factory.ForResource(maps).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { seen <- obj.(*metav1.PartialObjectMetadata).Name },
	})
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	defer close(stop)
	factory.Start(stop)
	factory.WaitForCacheSync(stop)
	if err := p.make("metadata", nil); err != nil {
		return err
	}
	return until(seen, "metadata")
}

// apply owns fields, and meets another owner.
func (p *program) apply() error {
	mine := p.client.CoreV1().ConfigMaps(p.namespace)
	wish := applycorev1.ConfigMap("applied", p.namespace).WithData(map[string]string{"a": "1"})
	made, err := mine.Apply(p.context, wish, metav1.ApplyOptions{FieldManager: "me"})
	if err != nil {
		return err
	}
	extracted, err := applycorev1.ExtractConfigMap(made, "me")
	if err != nil || extracted.Data["a"] != "1" {
		return fmt.Errorf("extracted %v: %v", extracted, err)
	}
	wish.WithData(map[string]string{"a": "2"})
	if _, err := mine.Apply(p.context, wish, metav1.ApplyOptions{FieldManager: "you"}); !apierrors.IsConflict(err) {
		return fmt.Errorf("no conflict but %v", err)
	}
	_, err = mine.Apply(p.context, wish, metav1.ApplyOptions{FieldManager: "you", Force: true})
	return err
}

// conflict meets an object that has changed, or is there already, or is not.
func (p *program) conflict() error {
	mine := p.client.CoreV1().ConfigMaps(p.namespace)
	if err := p.make("contested", nil); err != nil {
		return err
	}
	if err := p.make("contested", nil); !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("made twice: %v", err)
	}
	found, err := mine.Get(p.context, "contested", metav1.GetOptions{})
	if err != nil {
		return err
	}
	old := found.DeepCopy()
	found.Data["a"] = "2"
	if _, err := mine.Update(p.context, found, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if _, err := mine.Update(p.context, old, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("no conflict but %v", err)
	}
	if _, err := mine.Get(p.context, "nobody", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("found nobody: %v", err)
	}
	return nil
}

// pager reads a list in pieces.
func (p *program) pager() error {
	for i := range 25 {
		if err := p.make(fmt.Sprintf("page-%d", i), map[string]string{"step": "pager"}); err != nil {
			return err
		}
	}
	pages := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (list runtime.Object, err error) {
		return p.client.CoreV1().ConfigMaps(p.namespace).List(p.context, options)
	}))
	pages.PageSize = 7
	count := 0
	err := pages.EachListItem(p.context, metav1.ListOptions{LabelSelector: "step=pager"}, func(runtime.Object) error {
		count++
		return nil
	})
	if err != nil || count != 25 {
		return fmt.Errorf("%d items: %v", count, err)
	}
	return nil
}

// leader is elected, steps down, and another follows it.
func (p *program) leader() error {
	elected := make(chan string, 2)
	for _, name := range []string{"first", "second"} {
		ctx, cancel := context.WithCancel(p.context)
		lock := &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: "leader", Namespace: p.namespace},
			Client:     p.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: name},
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
				Lock: lock, ReleaseOnCancel: true,
				LeaseDuration: 60 * time.Second, RenewDeadline: 40 * time.Second, RetryPeriod: time.Second,
				Callbacks: leaderelection.LeaderCallbacks{
					OnStartedLeading: func(context.Context) { elected <- name },
					OnStoppedLeading: func() {},
				},
			})
		}()
		err := until(elected, name)
		cancel()
		<-done
		if err != nil {
			return err
		}
	}
	return nil
}

// resume follows objects while the server is stopped and started again: says "restart now", waits for a line, and wants
// the informer to see what is made afterwards, without having been told of anything twice.
func (p *program) resume() error {
	factory := informers.NewSharedInformerFactoryWithOptions(p.client, 0, informers.WithNamespace(p.namespace))
	added := make(chan string, 1000)
	counts := map[string]int{}
	informer := factory.Core().V1().ConfigMaps().Informer()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(obj any) {
		name := obj.(*corev1.ConfigMap).Name
		counts[name]++
		added <- name
	}})
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	defer close(stop)
	factory.Start(stop)
	if !cache.WaitForCacheSync(stop, informer.HasSynced) {
		return fmt.Errorf("not synced")
	}
	if err := p.make("before", nil); err != nil {
		return err
	}
	if err := until(added, "before"); err != nil {
		return err
	}
	fmt.Println("restart now")
	var line string
	if _, err := fmt.Scanln(&line); err != nil {
		return err
	}
	err = retry.OnError(retry.DefaultBackoff, func(err error) bool { return !apierrors.IsAlreadyExists(err) }, func() error {
		return p.make("after", nil)
	})
	if err != nil {
		return err
	}
	if err := until(added, "after"); err != nil {
		return err
	}
	if counts["before"] != 1 {
		return fmt.Errorf("told %d times of what was there before", counts["before"])
	}
	return nil
}
