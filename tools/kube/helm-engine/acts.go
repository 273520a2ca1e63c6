package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"k8s.io/client-go/kubernetes"

	"helm.sh/helm/v4/pkg/action"
	"helm.sh/helm/v4/pkg/chart"
	"helm.sh/helm/v4/pkg/chart/loader"
	valuesloader "helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/kube"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage"
	"helm.sh/helm/v4/pkg/storage/driver"
	"helm.sh/helm/v4/pkg/strvals"
)

// recordingLasts is how long an act that was cancelled may still write Helm's record.
const recordingLasts = 5 * time.Second

// acts are all there are, by name.
var acts = map[string]func(context.Context, *action.Configuration, request) (any, error){
	"install": install, "upgrade": upgrade, "rollback": rollback, "uninstall": uninstall,
	"render": render, "history": history,
}

// perform does one act as the program helm would with the arguments named in the agent's other driver.
func (c *clusters) perform(ctx context.Context, asked request) (any, error) {
	configured, done, err := c.configure(ctx, asked)
	if err != nil {
		return nil, err
	}
	defer done()
	if do, known := acts[asked.Act]; known {
		return do(ctx, configured, asked)
	}
	return nil, fmt.Errorf("there is no act %q", asked.Act)
}

// configure returns Helm's configuration for one act and what to call when it has ended.
func (c *clusters) configure(ctx context.Context, asked request) (*action.Configuration, func(), error) {
	found, err := c.find(asked.Kubeconfig, asked.AsUser)
	if err != nil {
		return nil, nil, err
	}
	if err := found.refresh(ctx); err != nil {
		return nil, nil, err
	}
	here := visit{found, ctx, loaderFor(asked.Kubeconfig, asked.Namespace)}
	helm := kube.New(here)
	helm.Namespace = asked.Namespace
	lingering, done := after(ctx, recordingLasts)
	records, err := recordsOf(visit{found, lingering, here.loader}, asked.Namespace)
	if err != nil {
		done()
		return nil, nil, err
	}
	configured := action.NewConfiguration()
	configured.RESTClientGetter = here
	configured.KubeClient = client{helm, found}
	configured.Releases = records
	configured.HookOutputFunc = func(_, _, _ string) io.Writer { return io.Discard }
	return configured, done, nil
}

// recordsOf returns where Helm keeps its records: the Secrets that plain helm reads.
func recordsOf(here visit, namespace string) (*storage.Storage, error) {
	config, err := here.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	config.ContentType = "application/vnd.kubernetes.protobuf"
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return storage.Init(driver.NewSecrets(set.CoreV1().Secrets(namespace))), nil
}

// after returns a context that ends a while after ctx was cancelled, and what ends it at once.
func after(ctx context.Context, pause time.Duration) (context.Context, func()) {
	own, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(pause, end) })
	return own, func() { stop(); end() }
}

func install(ctx context.Context, configured *action.Configuration, asked request) (any, error) {
	found, values, err := content(asked)
	if err != nil {
		return nil, err
	}
	doing := action.NewInstall(configured)
	doing.ReleaseName, doing.Namespace = asked.Release, asked.Namespace
	doing.CreateNamespace, doing.TakeOwnership, doing.ForceConflicts = asked.CreateNamespace, asked.TakeOver, asked.Force
	doing.Labels, doing.WaitForJobs, doing.DisableOpenAPIValidation, doing.HideNotes = asked.Labels, asked.Wait, true, true
	doing.Timeout, doing.WaitStrategy, doing.WaitOptions = waiting(ctx, asked)
	_, err = doing.Run(found, values) // without ctx: Helm would go on in the background; the gate ends it in order
	return nil, err
}

func upgrade(ctx context.Context, configured *action.Configuration, asked request) (any, error) {
	found, values, err := content(asked)
	if err != nil {
		return nil, err
	}
	doing := action.NewUpgrade(configured)
	doing.Namespace, doing.TakeOwnership, doing.ForceConflicts = asked.Namespace, asked.TakeOver, asked.Force
	doing.Labels, doing.Description = asked.Labels, asked.Description
	doing.ResetValues, doing.ServerSideApply, doing.MaxHistory = true, "true", asked.HistoryMax
	doing.DisableOpenAPIValidation, doing.HideNotes = true, true
	doing.Timeout, doing.WaitStrategy, doing.WaitOptions = waiting(ctx, asked)
	doing.WaitForJobs = asked.Wait
	_, err = doing.RunWithContext(context.Background(), asked.Release, found, values)
	return nil, err
}

func rollback(ctx context.Context, configured *action.Configuration, asked request) (any, error) {
	doing := action.NewRollback(configured)
	doing.ServerSideApply, doing.ForceConflicts = "true", true
	doing.Version, doing.Description, doing.MaxHistory = asked.Revision, asked.Description, asked.HistoryMax
	doing.Timeout, doing.WaitStrategy, doing.WaitOptions = waiting(ctx, asked)
	return nil, doing.Run(asked.Release)
}

func uninstall(ctx context.Context, configured *action.Configuration, asked request) (any, error) {
	doing := action.NewUninstall(configured)
	doing.IgnoreNotFound, doing.DeletionPropagation, doing.DisableHooks = true, "background", asked.SkipHooks
	doing.Timeout, doing.WaitStrategy, doing.WaitOptions = waiting(ctx, asked)
	_, err := doing.Run(asked.Release)
	return nil, err
}

// render returns the manifests that an install would apply, hooks last; nothing is written.
func render(ctx context.Context, configured *action.Configuration, asked request) (any, error) {
	found, values, err := content(asked)
	if err != nil {
		return nil, err
	}
	doing := action.NewInstall(configured)
	doing.ReleaseName, doing.Namespace = asked.Release, asked.Namespace
	doing.DryRunStrategy, doing.DisableOpenAPIValidation, doing.IncludeCRDs = action.DryRunServer, true, true
	doing.TakeOwnership = true // what is there already is no reason not to show what would be
	doing.Timeout, doing.WaitStrategy, doing.WaitOptions = waiting(ctx, asked)
	made, err := doing.Run(found, values)
	if err != nil {
		return nil, err
	}
	rendered, fits := made.(*release.Release)
	if !fits {
		return nil, errors.New("invalid chart apiVersion")
	}
	manifests := rendered.Manifest
	for _, hook := range rendered.Hooks {
		manifests += fmt.Sprintf("---\n# Source: %s\n%s\n", hook.Path, hook.Manifest)
	}
	return manifests, nil
}

// history returns what is recorded of every revision, none for a release that is not there.
func history(_ context.Context, configured *action.Configuration, asked request) (any, error) {
	records, err := configured.Releases.History(asked.Release)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return []any{}, nil
	}
	if err != nil {
		return nil, err
	}
	found := make([]any, 0, len(records))
	for _, each := range records {
		made, fits := each.(*release.Release)
		if !fits || made.Info == nil || made.Chart == nil || made.Chart.Metadata == nil {
			continue
		}
		found = append(found, map[string]any{
			"revision": made.Version, "status": made.Info.Status.String(), "updated": made.Info.LastDeployed.Format(time.RFC3339Nano),
			"chart": made.Chart.Metadata.Name + "-" + made.Chart.Metadata.Version, "description": made.Info.Description,
		})
	}
	return found, nil
}

// waiting says what Helm waits for: hooks always, everything else only for charts whose later hooks rely on it.
func waiting(ctx context.Context, asked request) (time.Duration, kube.WaitStrategy, []kube.WaitOption) {
	strategy := kube.HookOnlyStrategy
	if asked.Wait {
		strategy = kube.StatusWatcherStrategy
	}
	options := []kube.WaitOption{kube.WithWaitContext(ctx), kube.WithStatusComputeWorkers(8)}
	return time.Duration(max(asked.Timeout, 1) * float64(time.Second)), strategy, options
}

// content returns the chart and the values, read as Helm's own program reads them.
func content(asked request) (chart.Charter, map[string]any, error) {
	if _, err := os.Stat(asked.Chart); err != nil {
		return nil, nil, fmt.Errorf("path %q not found", asked.Chart)
	}
	found, err := loader.Load(asked.Chart)
	if err != nil {
		return nil, nil, err
	}
	facts, err := chart.NewAccessor(found)
	if err != nil {
		return nil, nil, err
	}
	if kind := facts.MetadataAsMap()["Type"]; kind != "" && kind != "application" {
		return nil, nil, fmt.Errorf("%s charts are not installable", kind)
	}
	if needed := facts.MetaDependencies(); len(needed) > 0 {
		if err := action.CheckDependencies(found, needed); err != nil {
			return nil, nil, fmt.Errorf("an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to fetch missing dependencies: %w", err)
		}
	}
	values, err := valuesloader.LoadValues(bytes.NewReader(asked.Values))
	if err != nil {
		return nil, nil, fmt.Errorf("failed to parse -: %w", err)
	}
	for _, argument := range asked.Exact {
		if err := strvals.ParseInto(argument, values); err != nil {
			return nil, nil, fmt.Errorf("failed parsing --set data: %w", err)
		}
	}
	return found, values, nil
}
