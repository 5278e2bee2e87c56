package protocol

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// update rewrites testdata: go test ./protocol -update. Read the difference
// before it is committed: it is a change of the wire.
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// day is the instant from which the samples count.
var day = time.Date(2030, time.January, 31, 8, 0, 0, 0, time.UTC)

func at(after time.Duration) *time.Time {
	instant := day.Add(after)
	return &instant
}

func fullOperation() Operation {
	return Operation{
		ID:                  "invoice-7",
		Name:                "Faktura für Zoë 🚀",
		OperationType:       "http.request",
		DependencyToken:     "customer-42",
		PostponeUntil:       at(time.Hour),
		RecurrencePattern:   "FREQ=DAILY;INTERVAL=1",
		RecurrenceStartTime: at(2 * time.Hour),
		Data:                json.RawMessage(`{"url":"https://example.com/invoices","amount":10.50,"lines":[1,null,true,"ø"]}`),
		MessageName:         "Create",
		PrimaryEntityType:   "invoice",
		RegardingObjectID:   "7",
		OwnerID:             "team/billing",
		CorrelationID:       "order-3",
		RequestID:           "request-9",
		Traceparent:         "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Depth:               2,
		Priority:            3,
		FairnessKey:         "tenant-1",
		Deadline:            at(24 * time.Hour),
	}
}

func queuedRecord() Record {
	return Record{
		Operation: fullOperation(), StateCode: Suspended, StatusCode: Waiting, Sequence: 1_896_076_800_000_001,
		CreatedOn: at(0), ModifiedOn: at(time.Minute), SuspendReason: SuspendPostponed, BlockedBy: "invoice-6", BlockedSince: at(-time.Minute), Position: 1,
		LastAction: &Taken{Action: ActionPostpone, On: *at(time.Minute), Identity: "ops@host", Reason: "bank holiday"},
	}
}

func gatedRecord() Record {
	r := queuedRecord()
	r.Position, r.BlockedSince, r.Gated = 0, nil, true
	return r
}

func succeededRecord() Record {
	return Record{
		Operation: Operation{ID: "a1", OperationType: "http.request"}, StateCode: Completed, StatusCode: Succeeded,
		HostID: "worker-1@host", CreatedOn: at(0), StartedOn: at(time.Second), CompletedOn: at(3 * time.Second),
		ModifiedOn: at(3 * time.Second), ExecutionTimeSpan: 1.25, Result: json.RawMessage(`{"status":201}`),
		RerunOf: "a0", N: 2,
	}
}

func failedRecord() Record {
	return Record{
		Operation: Operation{ID: "a2", OperationType: "100100"}, StateCode: Completed, StatusCode: Failed,
		TypeKey: "invoice.send", TypeNumber: 100_100, Restrictions: Restrictions{NoCancelOrDelete},
		HostID: "worker-2@host", CreatedOn: at(0), StartedOn: at(time.Second), CompletedOn: at(90 * time.Second),
		ModifiedOn: at(90 * time.Second), ExecutionTimeSpan: 60, RetryCount: 3, ErrorCode: "503",
		Message: "POST https://example.com/invoices: 503 Service Unavailable", FriendlyMessage: "The invoice service is down.",
	}
}

func recurringRecord() Record {
	return Record{
		Operation: Operation{
			ID: "nightly", OperationType: "http.request", DependencyToken: "customer-42",
			RecurrencePattern: "FREQ=DAILY", RecurrenceStartTime: at(-48 * time.Hour), PostponeUntil: at(24 * time.Hour),
		},
		StateCode: Suspended, StatusCode: Waiting, SuspendReason: SuspendNextOccurrence,
		CreatedOn: at(-72 * time.Hour), StartedOn: at(-48 * time.Hour), ModifiedOn: at(time.Minute), Occurrence: 3,
		LastOccurrence: &OccurrenceEnd{ID: "occurrence:3:nightly", StatusCode: Failed, On: *at(time.Minute), Message: "its token refused it"},
	}
}

func occurrenceRecord() Record {
	return Record{
		Operation: Operation{ID: "occurrence:3:nightly", OperationType: "http.request", DependencyToken: "customer-42", CorrelationID: "nightly"},
		StateCode: Ready, StatusCode: WaitingForResources, CreatedOn: at(0), ModifiedOn: at(0), RecurrenceOf: "nightly", Occurrence: 3, Position: 1,
	}
}

func held() *Held {
	return &Held{HostID: "worker-1@host", StartedOn: day, Seconds: 1.25, Retries: 2}
}

func rejected() Reject {
	return Reject{
		At: day, Type: ErrTypeInvalidOperation, OperationID: "a3",
		Reason: "operationType: is missing: name a type of the catalogue by key or number",
	}
}

// goldens is one file for every message on the wire.
func goldens() map[string]any {
	queued, head, reject := queuedRecord(), succeededRecord(), rejected()
	maxQueued, uncounted := 1000, false
	page := QueuePage{
		PageAddress: PageAddress{WorkflowID: "page:0198c2c8-6a1c-7b5e-9a51-0123456789ab:3", RunID: "0198c2c8-6a1c-7b5e-9a51-ba9876543210"},
		Offset:      100, Count: 350, Changed: []Record{queued}, Ended: true,
	}
	first, second := Operation{ID: "a1", OperationType: "http.request"}, Operation{ID: "a2", OperationType: "100100"}
	handle := Handle{ID: "a1", Token: "customer-42", WorkflowID: "token:customer-42", ContentHash: first.ContentHash()}
	return map[string]any{
		"operation.json":         fullOperation(),
		"operation-minimal.json": first,
		"submit-one.json":        first,
		"submit-array.json":      []Operation{first, second},
		"submit-batch.json":      map[string][]Operation{"operations": {first, second}},
		"serializer-input.json":  SerializerInput{Token: "customer-42"},
		"cancel-queued.json":     ActionRequest{OperationID: "a1", Reason: "not needed"},
		"cancel-started.json":    ActionRequest{Reason: "not needed"},
		"postpone-queued.json":   PostponeRequest{OperationID: "a1", Until: day, Reason: "bank holiday", Identity: "ops@host"},
		"pause.json":             ActionRequest{Reason: "the site is down", Identity: "ops@host"},
		"resume.json":            ActionRequest{Identity: "ops@host"},
		"rerun.json":             RerunRequest{OperationID: "a1", NewID: "a1-again", Reason: "fixed", Identity: "ops@host"},
		"hold.json":              HoldRequest{Until: at(time.Hour), Reason: "maintenance", Identity: "ops@host"},
		"release.json":           TokenRequest{Reason: "done", Identity: "ops@host"},
		"set-policy.json":        PolicyRequest{OnFailure: HoldOnFailure, MaxQueued: &maxQueued, Reason: "order matters", Identity: "ops@host"},
		"turn.json":              Turn{Canceled: true, Message: "canceled while it queued: operation \"a1\" failed"},
		"token-hold.json":        TokenHold{Hold: &Hold{On: day, Until: at(time.Hour), Reason: "maintenance", Identity: "ops@host"}},
		"service-stop.json":      ControlRequest{Action: ControlStop, OperationType: "bulk.email", Reason: "the mail server is blocked", Identity: "ops@host"},
		"service-start.json":     ControlRequest{Action: ControlStart},
		"service-state.json": ServiceState{
			Stops:   []Stop{{OperationType: "bulk.email", On: day, Reason: "the mail server is blocked", Identity: "ops@host"}, {On: day}},
			Problem: "task queues that serve other types too are not stopped: office", Refused: "action: is neither \"stop\" nor \"start\" (got \"halt\")",
		},
		"apply-stops-request.json":   ApplyStopsRequest{Limited: []string{"mail"}, Unlimited: []string{"office"}, Started: []string{"bulk.email"}, Reason: "the mail server is blocked"},
		"apply-stops-reply.json":     ApplyStopsReply{Resumed: 3, Problem: "task queue \"mail\": permission denied"},
		"postpone-started.json":      PostponeRequest{Until: day},
		"record-queued.json":         queued,
		"record-gated.json":          gatedRecord(),
		"record-succeeded.json":      succeededRecord(),
		"record-failed.json":         failedRecord(),
		"record-recurring.json":      recurringRecord(),
		"record-occurrence.json":     occurrenceRecord(),
		"set-recurrence.json":        SetRecurrenceRequest{RecurrencePattern: "FREQ=WEEKLY;BYDAY=MO", RecurrenceStartTime: at(time.Hour), Reason: "too often", Identity: "ops@host"},
		"set-recurrence-queued.json": SetRecurrenceRequest{OperationID: "a1", RecurrencePattern: "FREQ=DAILY"},
		"occurrence-request.json": OccurrenceRequest{
			Operation: occurrenceRecord().Operation, DecidedOn: day, WaitSeconds: 10,
		},
		"submit-occurrence-reply.json": SubmitOccurrenceReply{Taken: true},
		"find-occurrence-reply.json":   FindOccurrenceReply{Found: true, Closed: true, Status: Failed, Refused: "its record is no longer retained"},
		"act-on-occurrence.json": OccurrenceActionRequest{
			OperationID: "occurrence:3:nightly", Token: "customer-42", Action: ActionPostpone, Until: *at(time.Hour), Reason: "bank holiday", Identity: "ops@host",
		},
		"next-point-request.json":     NextPointRequest{RecurrencePattern: "FREQ=DAILY", Anchor: day, After: *at(time.Hour)},
		"next-point-reply.json":       NextPointReply{Point: at(24 * time.Hour)},
		"start-recurrence-reply.json": StartRecurrenceReply{Duplicate: true, Refused: "another operation has the id \"nightly\"", Type: ErrTypeDuplicateID},
		"serializer-state.json": SerializerState{
			Token: "customer-42", Refused: "start input: token \"other\" belongs to another workflow id", ChainStartedOn: day,
			Head: &head, HeadSince: at(time.Minute), Queued: 2, Pages: 1, Ahead: 1, NextPosition: 2, Ending: 1,
			Hold: &Hold{On: day, Reason: "maintenance"}, Failure: &FailureHold{On: day, OperationID: "a2", Sequence: 1_896_076_800_000_002},
			Policy: Policy{OnFailure: HoldOnFailure, MaxQueued: maxQueued}, NextSequence: 1_896_076_800_000_005,
			Counts: Counts{Accepted: 5, Duplicates: 1, Rejected: 1, Succeeded: 1, Failed: 2, Canceled: 3, Recurring: 6, UnknownFields: 4, Runs: 2},
			Predecessor: Predecessor{
				Look: PredecessorTerminated, RunID: "0198c2c8-6a1c-7b5e-9a51-0123456789ab", Status: "Terminated", ByServer: true,
				Identity: "ops@host", Reason: "maintenance", Queued: 3,
			},
			Recovered: []string{"0198c2c8-6a1c-7b5e-9a51-0123456789ab"},
			Rejects:   []Reject{reject},
		},
		"predecessor-request.json": PredecessorRequest{WorkflowID: "token:customer-42", RunID: "0198c2c8-6a1c-7b5e-9a51-0123456789ab"},
		"list-request.json":        ListRequest{Offset: 100, Limit: 50},
		"list-reply.json":          ListReply{Operations: []Record{queued}, Total: 101},
		"find-request.json":        FindRequest{OperationID: "a1"},
		"find-reply-queued.json":   FindReply{Found: true, Record: &queued, Seen: true},
		"find-reply-started.json":  FindReply{Found: true, WorkflowID: "operation:a1", Record: &head, Seen: true},
		"find-reply-refused.json":  FindReply{Reject: &reject},
		"find-reply-reading.json":  FindReply{Reading: true},
		"handler-input.json": HandlerInput{
			Operation: fullOperation(), CreatedOn: day, Fence: Fence{Sequence: 1_896_076_800_000_001, N: 2, Attempt: 3},
			Checkpoint: json.RawMessage(`{"line":40}`),
		},
		"handler-result.json":  HandlerResult{Result: json.RawMessage(`{"status":201}`), Held: held()},
		"failure-details.json": FailureDetails{Code: "503", FriendlyMessage: "The invoice service is down.", AfterSeconds: 30.5, Held: held()},
		"failure-details-retry.json": FailureDetails{
			At: at(time.Hour), Counted: &uncounted, Checkpoint: json.RawMessage(`{"line":40}`),
		},
		"heartbeat.json": Heartbeat{Checkpoint: json.RawMessage(`{"line":40}`), Done: 40, Total: 100, Note: "invoices", Seconds: 12.5},
		"progress.json":  *Heartbeat{Done: 40, Total: 100, Note: "invoices"}.Progress(at(time.Minute)),
		"read-operation-request.json": ReadOperationRequest{
			Rerun: RerunRequest{OperationID: "a1", NewID: "a1-again"}, UpdateID: "0198c2c8-6a1c-7b5e-9a51-0123456789ab",
		},
		"read-operation-reply.json": ReadOperationReply{
			Found: true, Closed: true, Status: Failed, Operation: fullOperation(), Sequence: 1_896_076_800_000_001, N: 3,
		},
		"page-address.json":          page.PageAddress,
		"find-in-pages-request.json": FindInPagesRequest{OperationID: "a1", Pages: []PageAddress{page.PageAddress}, UpdateID: "u1"},
		"find-in-pages-reply.json":   FindInPagesReply{Found: true, Page: 1, At: 2, Entry: json.RawMessage(`{"sequence":7}`)},
		"list-reply-paged.json":      ListReply{Operations: []Record{}, Total: 500, Pages: []QueuePage{page}},
		"find-reply-paged.json":      FindReply{Pages: []QueuePage{page}},
		"prepend.json":               PrependRequest{RunID: page.RunID, DryRun: true, Reason: "terminated by mistake", Identity: "ops@host"},
		"prepend-reply.json":         PrependReply{Recovered: 3, Known: 1, First: []Record{queued}},
		"recover-run-request.json": RecoverRunRequest{
			WorkflowID: "token:customer-42", RunID: "0198c2c8-6a1c-7b5e-9a51-0123456789ab", Asked: PrependRequest{RunID: page.RunID}, UpdateID: "u1",
		},
		"recover-run-reply.json":       RecoverRunReply{Refused: "it has not ended", State: json.RawMessage(`{"queue":{}}`)},
		"read-checkpoint-request.json": ReadCheckpointRequest{OperationID: "a1"},
		"explanation.json": Explanation{
			Why:  []string{"it is Suspended (Waiting): it is postponed until 2030-01-31T09:00:00Z"},
			Next: "it becomes Ready by itself", NextOn: at(time.Hour), Allowed: AllowedActions(Waiting),
		},
		"refusal.json": Refusal{
			Type: ErrTypeInvalidTransition, Code: CodeCannotPause, Name: CodeCannotPause.Name(),
			Message: `operation "a1" is Succeeded: it cannot be asked to pause`, OperationID: "a1", Allowed: []Action{ActionDelete},
		},
		"refusal-started.json": Refusal{
			Type: ErrTypeOperationStarted, Message: `operation "a1" no longer queues: ask its own workflow "operation:a1"`,
			OperationID: "a1", WorkflowID: "operation:a1",
		},
		"await-request.json": AwaitRequest{OperationID: "a1", WaitSeconds: 30.5, AsksGated: true},
		"await-reply.json": AwaitReply{
			Found: true, Closed: true, Status: Succeeded, Token: "customer-42", Sequence: 1_896_076_800_000_001,
			ContentHash: fullOperation().ContentHash(), Gated: true,
		},
		"workflow-data.json": WorkflowData{WorkflowType: "OrderFulfilment", TaskQueue: "orders", Input: json.RawMessage(`{"order":42}`)},
		"event.json": Event{
			ID: "update-42", MessageName: "update", PrimaryEntityType: "account", RegardingObjectID: "42", Data: json.RawMessage(`{"name":"Zoë"}`),
			OwnerID: "team/sales", RequestID: "request-9", CorrelationID: "order-3", Depth: 1, Traceparent: fullOperation().Traceparent,
		},
		"event-outcome.json": EventOutcome{Handlers: []EventHandled{
			{Handler: "account-sync", Operation: &handle}, {Handler: "audit", Error: "dependencyToken: {ownerId} is empty"},
		}},
		"operation-closed.json": OperationClosed{ID: "a1", Status: Succeeded, CompletedOn: at(3 * time.Second)},
		"handle.json":           handle,
		"await-handle.json":     AwaitHandleRequest{Handle: handle, MustSucceed: true},
	}
}

func TestMessagesAreWhatTheGoldenFilesSay(t *testing.T) {
	t.Parallel()
	for name, message := range goldens() {
		t.Run(name, func(t *testing.T) {
			encoded, err := json.MarshalIndent(message, "", "  ")
			require.NoError(t, err)
			golden := goldenFile(t, name, append(encoded, '\n'))
			require.Equal(t, string(golden), string(encoded)+"\n")

			read := reflect.New(reflect.TypeOf(message))
			decoder := json.NewDecoder(bytes.NewReader(golden))
			decoder.DisallowUnknownFields()
			require.NoError(t, decoder.Decode(read.Interface()))
			require.Equal(t, compact(t, message), compact(t, read.Elem().Interface()), "what was read is what was written")
		})
	}
}

// goldenFile reads a file of testdata, after writing it where -update asks to.
func goldenFile(t *testing.T, name string, now []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, now, 0o644))
	}
	golden, err := os.ReadFile(path)
	require.NoError(t, err)
	return golden
}

func compact(t *testing.T, message any) string {
	t.Helper()
	encoded, err := json.Marshal(message)
	require.NoError(t, err)
	return string(encoded)
}

// A field that no golden file shows is one that a client in another language
// cannot be tested against.
func TestEveryFieldIsInAGoldenFile(t *testing.T) {
	t.Parallel()
	shown := make(map[reflect.Type]map[string]bool)
	for _, message := range goldens() {
		noteFields(reflect.ValueOf(message), shown)
	}
	for message, fields := range shown {
		for i := range message.NumField() {
			field := message.Field(i)
			require.True(t, fields[field.Name], "%s.%s is in no golden file", message.Name(), field.Name)
			tag, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if field.Anonymous {
				continue
			}
			require.NotEmpty(t, tag, "%s.%s has no JSON name", message.Name(), field.Name)
			require.Regexp(t, `^[a-z][a-zA-Z]*$`, tag, "%s.%s", message.Name(), field.Name)
		}
	}
	for _, name := range messageTypes(t) {
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(shown)), func(r reflect.Type) bool { return r.Name() == name }),
			"%s is in no golden file", name)
	}
}

// messageTypes are the structs of this package that have JSON names.
func messageTypes(t *testing.T) (names []string) {
	t.Helper()
	paths, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(node ast.Node) bool {
			declared, ok := node.(*ast.TypeSpec)
			if !ok {
				return true
			}
			structure, ok := declared.Type.(*ast.StructType)
			if ok && declared.Name.IsExported() && slices.ContainsFunc(structure.Fields.List, func(f *ast.Field) bool { return f.Tag != nil }) {
				names = append(names, declared.Name.Name)
			}
			return true
		})
	}
	require.Contains(t, names, "Operation")
	return names
}

// noteFields collects which fields of which struct are set somewhere.
func noteFields(v reflect.Value, shown map[reflect.Type]map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			noteFields(v.Elem(), shown)
		}
	case reflect.Slice:
		for i := range v.Len() {
			noteFields(v.Index(i), shown)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			noteFields(v.MapIndex(key), shown)
		}
	case reflect.Struct:
		if v.Type().PkgPath() != reflect.TypeFor[Operation]().PkgPath() {
			return
		}
		if shown[v.Type()] == nil {
			shown[v.Type()] = make(map[string]bool)
		}
		for i := range v.NumField() {
			if !v.Field(i).IsZero() {
				shown[v.Type()][v.Type().Field(i).Name] = true
			}
			noteFields(v.Field(i), shown)
		}
	}
}

// A client in another language writes these, and a worker reads them.
func TestGoldenSubmissionsAreAccepted(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][]string{
		"operation.json":         {"invoice-7"},
		"operation-minimal.json": {"a1"},
		"submit-one.json":        {"a1"},
		"submit-array.json":      {"a1", "a2"},
		"submit-batch.json":      {"a1", "a2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			payload, err := os.ReadFile(filepath.Join("testdata", name))
			require.NoError(t, err)
			parts, err := SplitSubmission(payload)
			require.NoError(t, err)
			require.Len(t, parts, len(ids))
			for i, part := range parts {
				o, unknown, err := DecodeOperation(part)
				require.NoError(t, err)
				require.Empty(t, unknown)
				require.Equal(t, ids[i], o.ID)
			}
		})
	}
}

// A client that starts an operation itself writes its hash into the memo, so
// the hash is part of the wire (SPEC 1.2).
func TestContentHashesAreWhatTheGoldenFileSays(t *testing.T) {
	t.Parallel()
	hashes := make(map[string]string)
	for _, name := range []string{"operation.json", "operation-minimal.json"} {
		payload, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		o, _, err := DecodeOperation(payload)
		require.NoError(t, err)
		hashes[name] = o.ContentHash()
	}
	encoded, err := json.MarshalIndent(hashes, "", "  ")
	require.NoError(t, err)
	golden := goldenFile(t, "content-hashes.json", append(encoded, '\n'))
	require.Equal(t, string(golden), string(encoded)+"\n")
}

// The names are fixed: clients in other languages spell them out.
func TestNamesOnTheWire(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		DefaultTaskQueue: "operations", EngineTaskQueueSuffix: "-engine",
		SerializerWorkflow: "Serializer", OperationWorkflow: "Operation", SubmitSignalName: "submit",
		ReportEndSignalName: "reportEnd", OperationClosedSignalName: "operationClosed", AwaitOperationActivity: "AwaitOperation",
		FindPredecessorActivity: "FindPredecessor", RebuildTokenActivity: "RebuildToken",
		string(PredecessorNone): "none", string(PredecessorUnchecked): "unchecked", string(PredecessorRecovered): "recovered",
		string(PredecessorTerminated): "terminated",
		CancelUpdateName:              "cancel", PostponeUpdateName: "postpone", PauseUpdateName: "pause", ResumeUpdateName: "resume",
		HoldUpdateName: "hold", ReleaseUpdateName: "release", SetPolicyUpdateName: "setPolicy", SkipUpdateName: "skip",
		CancelAllUpdateName: "cancelAll", RerunUpdateName: "rerun", TokenHoldSignalName: "tokenHold",
		TurnSignalName: "turn", GatedMemo: "gated",
		ReadOperationActivity: "ReadOperation", ReadCheckpointActivity: "ReadCheckpoint",
		string(ContinueOnFailure): "continue", string(CancelRestOnFailure): "cancelRest",
		OperationQueryName: "operation", StateQueryName: "state", ListQueryName: "list", FindQueryName: "find",
		ErrTypeInvalidTransition: "InvalidTransition", ErrTypeOperationStarted: "OperationStarted",
		ErrTypeOperationNotFound: "OperationNotFound", ErrTypeContinuingAsNew: "ContinuingAsNew",
		ErrTypeDuplicateID: "DuplicateId", ErrTypeInvalidOperation: "InvalidOperation", ErrTypeQueueFull: "QueueFull",
		ErrTypeOperationFailed: "OperationFailed", ErrTypeFail: "Fail", ErrTypeRetry: "Retry",
		ErrTypeSuspend: "Suspend", ErrTypeBusy: "Busy",
		ContentHashMemo: "contentHash", TokenMemo: "dependencyToken", SequenceMemo: "sequence", NameMemo: "name", TypeMemo: "operationType",
		PrependUpdateName: "prepend", RecoverRunActivity: "RecoverRun",
		BacklogPageWorkflow: "BacklogPage", LoadPageActivity: "LoadPage", FindInPagesActivity: "FindInPages",
		PageWorkflowID("r", 3): "page:r:3",
		EventWorkflow:          "Event", EventWorkflowID("e"): "event:e", EventTypeKey("audit"): "event.audit", EventOperationID("e", "audit"): "e~audit",
		SubmitForEventActivity: "SubmitForEvent", ErrTypeEventIncomplete: "EventIncomplete",
		HandlerWorkflowID("a", 2): "handler:2:a", RestrictionsMemo: "restrictions",
		string(NoControl): "noControl", string(NoCancelOrDelete): "noCancelOrDelete", string(NoToken): "noToken", string(NoPause): "noPause",
		SerializerWorkflowID("t"): "token:t", OperationWorkflowID("a"): "operation:a",
	} {
		require.Equal(t, want, got)
	}
	require.Equal(t, "release", ReleasePageSignalName)
	chain, n, ok := ParsePageWorkflowID(PageWorkflowID("r:s", 3))
	require.Equal(t, []any{"r:s", int64(3), true}, []any{chain, n, ok})
	for _, other := range []string{OperationWorkflowID("page:r:3"), "page:r", "page:r:x", "page:r:"} {
		_, _, ok := ParsePageWorkflowID(other)
		require.False(t, ok, other)
	}
	require.Equal(t, map[string]string{
		"DependencyToken": "Keyword", "OperationType": "Keyword", "OperationStatus": "Keyword", "OperationOwner": "Keyword",
		"CorrelationId": "Keyword", "RegardingObject": "Keyword", "PostponeUntil": "Datetime", "QueueDepth": "Int",
	}, SearchAttributes())
}
