package main

// metric names one figure of a sample.
type metric string

// The metrics; what is counted is counted for one operation.
const (
	// opsPerSecond counts from before the first submission, and in a backlog from
	// its first start, to the last close.
	opsPerSecond metric = "opsPerSecond"
	// submitPerSecond is how many operations were acknowledged.
	submitPerSecond metric = "submitPerSecond"
	// startP50 and startP99 are from before the submission to the handler's start.
	startP50 metric = "startP50Ms"
	startP99 metric = "startP99Ms"
	// handoffP50 and handoffP99 are from a handler's end to the start of the next
	// of its token.
	handoffP50 metric = "handoffP50Ms"
	handoffP99 metric = "handoffP99Ms"
	// serializerEvents include what a run and a chain cost.
	serializerEvents metric = "serializerEvents"
	operationEvents  metric = "operationEvents"
	allEvents        metric = "events"
	workflowTasks    metric = "workflowTasks"
	// cloudActions are what Temporal Cloud bills.
	cloudActions metric = "actions"
	// serverCPU includes the submission; submitCPU is that part of it, of a backlog.
	serverCPU metric = "serverCPUMs"
	submitCPU metric = "submitCPUMs"
	workerCPU metric = "workerCPUMs"
	// workerMemory and serverMemory are what the processes hold at the end.
	workerMemory metric = "workerMiB"
	serverMemory metric = "serverMiB"
)

// metrics are all of them, in the order of the tables.
var metrics = []metric{
	opsPerSecond, submitPerSecond, startP50, startP99, handoffP50, handoffP99,
	serializerEvents, operationEvents, allEvents, workflowTasks, cloudActions,
	serverCPU, submitCPU, workerCPU, workerMemory, serverMemory,
}

// titles are the headings of the tables.
var titles = map[metric]string{
	opsPerSecond: "ops/s", submitPerSecond: "submit/s",
	startP50: "start p50 ms", startP99: "start p99 ms", handoffP50: "hand-off p50 ms", handoffP99: "hand-off p99 ms",
	serializerEvents: "serializer events", operationEvents: "operation events", allEvents: "events",
	workflowTasks: "tasks", cloudActions: "actions",
	serverCPU: "server CPU ms", submitCPU: "of it submitting", workerCPU: "worker CPU ms",
	workerMemory: "worker MiB", serverMemory: "server MiB",
}

// sample is what one variant did with a workload once.
type sample map[metric]float64
