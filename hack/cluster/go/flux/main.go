// flux-apply does with manifests what Flux's kustomize-controller does when it reconciles, by the same library: it takes
// over what kubectl owns in them, has the API server dry-run an apply, and applies those that would change.
//
// It reads a JSON list of objects from its standard input, and writes a JSON object: what it did with each, by its name,
// as "Deployment/NAMESPACE/NAME": "created", "configured" or "unchanged". $KUBECONFIG names the cluster.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	controller = "kustomize-controller"
	group      = "kustomize.toolkit.fluxcd.io"
)

// taken are the field managers whose fields the controller makes its own, by the beginning of their names.
var taken = []ssa.FieldManager{
	{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
	{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
	{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
	{Name: controller, OperationType: metav1.ManagedFieldsOperationUpdate},
}

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var read []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&read); err != nil {
		return err
	}
	var objects []*unstructured.Unstructured
	for _, each := range read {
		objects = append(objects, &unstructured.Unstructured{Object: each})
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	api, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	manager := ssa.NewResourceManager(api, nil, ssa.Owner{Field: controller, Group: group})
	manager.SetOwnerLabels(objects, "apps", "flux-system")
	options := ssa.DefaultApplyOptions()
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations:   []string{corev1.LastAppliedConfigAnnotation},
		FieldManagers: taken,
		Exclusions:    map[string]string{group + "/ssa": "Merge"},
	}
	changes, err := manager.ApplyAll(ctx, objects, options)
	if err != nil {
		return err
	}
	done := map[string]string{}
	for _, change := range changes.Entries {
		done[change.Subject] = change.Action.String()
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}
