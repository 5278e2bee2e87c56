package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workerpb "go.temporal.io/api/worker/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/seriatim-go/seriatim/opclient"
	"github.com/seriatim-go/seriatim/protocol"
)

// pollerGone is after how long without a poll a worker is taken for gone: the
// longest poll takes a minute, and the server shows it for five.
const pollerGone = 90 * time.Second

// workersNamed is how many workers a line names.
const workersNamed = 3

// workerOutput is one worker of a task queue, as machines read it.
type workerOutput struct {
	Identity string     `json:"identity"`
	LastPoll time.Time  `json:"lastPoll"`
	UpSince  *time.Time `json:"upSince,omitempty"`
	SDK      string     `json:"sdk,omitempty"`
	// Deployment and BuildID are those of a worker that is versioned.
	Deployment string `json:"deployment,omitempty"`
	BuildID    string `json:"buildId,omitempty"`
}

// queueOutput is what is known of the workers of a task queue.
type queueOutput struct {
	TaskQueue string         `json:"taskQueue"`
	Tasks     string         `json:"tasks"`
	Backlog   int64          `json:"backlog"`
	Workers   []workerOutput `json:"workers"`
}

// checkWorkers looks at both task queues of the worker and at those of types that
// other workers run.
func (d *doctor) checkWorkers(ctx context.Context, others map[string][]string) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	stopped := d.checkService(ctx)
	start := "start one: go run ./worker, or one of your own. Submitting works without, and all that was submitted runs then"
	d.checkQueue(ctx, "workers", d.taskQueue, enumspb.TASK_QUEUE_TYPE_WORKFLOW, checkFail, start+"; --task-queue names another queue")
	if !stopped {
		d.checkQueue(ctx, "handlers", d.taskQueue, enumspb.TASK_QUEUE_TYPE_ACTIVITY, checkWarn, start)
	}
	d.checkQueue(ctx, "engine", d.taskQueue+protocol.EngineTaskQueueSuffix, enumspb.TASK_QUEUE_TYPE_ACTIVITY, checkFail,
		"the worker polls it too; one of your own calls activities.RegisterEngine for it. Without, tokens stop at long queues and long waits")
	for _, queue := range slices.Sorted(maps.Keys(others)) {
		d.checkQueue(ctx, "handlers", queue, enumspb.TASK_QUEUE_TYPE_ACTIVITY, checkWarn, "it runs "+strings.Join(others[queue], ", ")+": start its worker")
	}
}

// checkService says what handlers a person has stopped, and whether all are: then
// no worker polls for them.
func (d *doctor) checkService(ctx context.Context) (all bool) {
	const check = "service"
	operations := opclient.New(d.temporal, opclient.Options{TaskQueue: d.taskQueue, Namespace: d.options.Namespace, AttributeNames: d.names})
	stops, err := operations.Stops(ctx)
	if err != nil {
		d.warn(check, fmt.Sprintf("whether handlers are stopped could not be read: %s", err), "")
		return false
	}
	var texts []string
	for _, stop := range stops {
		text := cmp.Or(stop.OperationType, "all") + " since " + instant(&stop.On) + " by " + stop.Identity
		if stop.Reason != "" {
			text += ": " + stop.Reason
		}
		texts = append(texts, text)
		all = all || stop.OperationType == ""
	}
	if len(texts) == 0 {
		d.ok(check, "no handlers are stopped")
		return false
	}
	d.warn(check, "handlers are stopped: "+strings.Join(texts, "\n"), "starter service start")
	return all
}

// checkQueue finds who polls a task queue; nobody is the given status.
func (d *doctor) checkQueue(ctx context.Context, check, name string, kind enumspb.TaskQueueType, nobody, hint string) {
	tasks := strings.ToLower(kind.String())
	described, err := d.pollersOf(ctx, &taskqueuepb.TaskQueue{Name: name, Kind: enumspb.TASK_QUEUE_KIND_NORMAL}, kind)
	if err != nil {
		d.warn(check, fmt.Sprintf("who polls task queue %q could not be read: %s", name, err), "")
		return
	}
	found := queueOutput{TaskQueue: name, Tasks: tasks, Backlog: described.GetStats().GetApproximateBacklogCount(), Workers: []workerOutput{}}
	started := d.startedWorkers(ctx, name)
	for _, poller := range described.GetPollers() {
		if w := workerOf(poller, started); time.Now().Add(d.ahead).Sub(w.LastPoll) < pollerGone {
			found.Workers = append(found.Workers, w)
		}
	}
	f := finding{Check: check, Status: checkOK, Details: found}
	switch trouble := versionTrouble(described.GetVersioningInfo(), found.Workers); {
	case len(found.Workers) == 0:
		f.Status, f.Hint = nobody, hint
		f.Message = fmt.Sprintf("nobody polls task queue %q for %s tasks", name, tasks) + backlogText(described.GetStats())
	case trouble != "":
		f.Status, f.Message, f.Hint = checkFail, fmt.Sprintf("task queue %q: %s", name, trouble), "temporal worker deployment set-current-version"
	default:
		f.Message = fmt.Sprintf("task queue %q, %s tasks: %s", name, tasks, workersText(found.Workers))
	}
	d.report(f)
}

func backlogText(stats *taskqueuepb.TaskQueueStats) string {
	if stats.GetApproximateBacklogCount() == 0 {
		return ""
	}
	return fmt.Sprintf("; about %d wait, the first for %s", stats.GetApproximateBacklogCount(),
		shortly(stats.GetApproximateBacklogAge().AsDuration().Round(time.Second)))
}

// startedWorkers are the workers of a task queue by identity, as they tell of
// themselves; none where the server does not keep that.
func (d *doctor) startedWorkers(ctx context.Context, queue string) map[string]*workerpb.WorkerListInfo {
	answer, err := d.temporal.WorkflowService().ListWorkers(ctx, &workflowservice.ListWorkersRequest{
		Namespace: d.options.Namespace, PageSize: 1000, Query: "TaskQueue = " + protocol.QuoteForQuery(queue),
	})
	if err != nil {
		return nil // it is more than is needed
	}
	started := make(map[string]*workerpb.WorkerListInfo)
	for _, worker := range answer.GetWorkers() {
		started[worker.GetWorkerIdentity()] = worker
	}
	return started
}

func workerOf(poller *taskqueuepb.PollerInfo, started map[string]*workerpb.WorkerListInfo) workerOutput {
	w := workerOutput{Identity: poller.GetIdentity(), LastPoll: poller.GetLastAccessTime().AsTime()}
	if o := poller.GetDeploymentOptions(); o.GetWorkerVersioningMode() == enumspb.WORKER_VERSIONING_MODE_VERSIONED {
		w.Deployment, w.BuildID = o.GetDeploymentName(), o.GetBuildId()
	}
	if worker, ok := started[w.Identity]; ok {
		since := worker.GetStartTime().AsTime()
		w.UpSince, w.SDK = &since, worker.GetSdkName()+" "+worker.GetSdkVersion()
	}
	return w
}

// versionTrouble is why a versioned task queue gives its workers nothing to do.
func versionTrouble(info *taskqueuepb.TaskQueueVersioningInfo, workers []workerOutput) string {
	if current := info.GetCurrentDeploymentVersion(); current.GetBuildId() != "" {
		isCurrent := func(w workerOutput) bool {
			return w.Deployment == current.GetDeploymentName() && w.BuildID == current.GetBuildId()
		}
		if !slices.ContainsFunc(workers, isCurrent) {
			return fmt.Sprintf("its current version is %s of deployment %s, and no worker has it", current.GetBuildId(), current.GetDeploymentName())
		}
		return ""
	}
	if len(workers) > 0 && !slices.ContainsFunc(workers, func(w workerOutput) bool { return w.Deployment == "" }) {
		return fmt.Sprintf("its workers have versions of deployment %s, and none is current", workers[0].Deployment)
	}
	return ""
}

func workersText(workers []workerOutput) string {
	var texts []string
	for _, w := range workers[:min(len(workers), workersNamed)] {
		text := w.Identity
		if w.UpSince != nil {
			text += " (since " + instant(w.UpSince) + ", " + w.SDK + ")"
		}
		texts = append(texts, text)
	}
	if more := len(workers) - workersNamed; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	text := plural(len(workers), "worker") + ": " + strings.Join(texts, ", ")
	builds := make(map[string]bool)
	for _, w := range workers {
		if w.Deployment != "" {
			builds[w.Deployment+" "+w.BuildID] = true
		}
	}
	if len(builds) > 0 {
		text += "; versions: " + strings.Join(slices.Sorted(maps.Keys(builds)), ", ")
	}
	return text
}
