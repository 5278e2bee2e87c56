package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/seriatim-go/seriatim/protocol"
)

// A slice of intake is at most this much; then the workflow yields, so that a
// flood is never one long computation (the SDK fails a task that computes for
// seconds without a pause).
const (
	maxSliceOperations = 1000
	maxSliceBytes      = 1 << 20
)

// jsonEncoding is the payload encoding that every SDK gives to a JSON value.
const jsonEncoding = "json/plain"

// intake reads every signal that has arrived, in order, and says whether there
// was one. It may yield but never waits. ctx is that of the calling coroutine.
func (s *serializer) intake(ctx workflow.Context) (some bool) {
	operations, size := 0, 0
	for s.mayTakeIn() {
		var raw converter.RawValue
		if !s.submissions.ReceiveAsync(&raw) {
			break
		}
		some = true
		s.signals++
		n, bytes := s.queue.take(raw, s.refused, s.takesRecurring, workflow.Now(ctx))
		if operations, size = operations+n, size+bytes; operations >= maxSliceOperations || size >= maxSliceBytes {
			operations, size = 0, 0
			yield(ctx)
		}
	}
	return some
}

// mayTakeIn says that there is something to read, and room for it.
func (s *serializer) mayTakeIn() bool { return s.submissions.Len() > 0 && !s.queue.Saturated() }

// intakeAll reads everything that has arrived, and waits where that is so much
// that the loop has to put it into pages first.
func (s *serializer) intakeAll(ctx workflow.Context) {
	for s.intake(ctx); s.submissions.Len() > 0; s.intake(ctx) {
		s.changed = true
		_ = workflow.Await(ctx, func() bool { return s.submissions.Len() == 0 || s.mayTakeIn() }) // the context is never cancelled
	}
}

// take hands one signal's operations to the queue; refused is why nothing can
// be accepted, if so, and recurs says whether recurring operations are.
func (q *Queue) take(raw converter.RawValue, refused string, recurs func() bool, now time.Time) (operations, size int) {
	if refused != "" {
		q.Reject(protocol.ErrTypeInvalidOperation, "", refused, now)
		return 1, 0
	}
	submitted, err := submission(raw)
	if err != nil {
		q.Reject(protocol.ErrTypeInvalidOperation, "", err.Error(), now)
		return 1, 0
	}
	for _, one := range submitted {
		q.submit(one, recurs, now)
		size += len(one)
	}
	return max(1, len(submitted)), size
}

// submission takes a raw signal apart.
func submission(raw converter.RawValue) ([]json.RawMessage, error) {
	encoded, err := jsonOf(raw)
	if err != nil {
		return nil, fmt.Errorf("submission: %w", err)
	}
	return protocol.SplitSubmission(encoded)
}

// jsonOf is the JSON of an argument that a client wrote, whatever it wrote. It
// panics, which fails the workflow task and keeps everything, where the argument
// is encrypted under a key that this worker does not have: another worker may have
// it, and what was accepted must not be refused for that.
func jsonOf(raw converter.RawValue) ([]byte, error) {
	payload := raw.Payload()
	if payload == nil {
		return nil, fmt.Errorf("there is no argument: send JSON")
	}
	encoding := string(payload.GetMetadata()[converter.MetadataEncoding])
	if key := payload.GetMetadata()[protocol.EncryptionKeyIDMetadata]; encoding == protocol.EncryptedEncoding && len(key) > 0 {
		panic(fmt.Sprintf("a payload is encrypted under key %q, which this worker does not have: add it to encryption.keyFile", cut(string(key), 64)))
	}
	if encoding != jsonEncoding {
		return nil, fmt.Errorf("the payload's encoding is %q, not %q", cut(encoding, 64), jsonEncoding)
	}
	return payload.GetData(), nil
}

// tokenOf finds the token of the run: the workflow id's key decides, the start
// input only spells out a token that was too long for it. refused is set where
// they contradict each other: then nothing in that run can be accepted.
func tokenOf(workflowID string, input converter.RawValue) (token, refused, warning string) {
	key, ok := protocol.SerializerKey(workflowID)
	if !ok {
		return "", fmt.Sprintf("workflow id: %q is not one of a serializer: it is %q and the token", cut(workflowID, 64), "token:"), ""
	}
	token, plain := protocol.TokenOfKey(key)
	given, err := startInput(input)
	switch {
	case err != nil && plain:
		return token, "", fmt.Sprintf("start input ignored: %v", err)
	case err != nil:
		return "", fmt.Sprintf("start input: %v, and the workflow id alone does not tell the token", err), ""
	case given == nil && plain:
		return token, "", ""
	case given == nil:
		return "", "start input: there is no token, and the workflow id alone does not tell it", ""
	case protocol.TokenKey(*given) != key:
		return "", fmt.Sprintf("start input: token %q belongs to workflow id %q, not to this one", cut(*given, 64), cut(protocol.SerializerWorkflowID(*given), 128)), ""
	}
	if err := protocol.ValidateToken(*given); err != nil {
		return "", "start input: " + err.Error(), ""
	}
	return *given, "", ""
}

// startInput reads the token from {"token":…}; nil where there is none.
func startInput(input converter.RawValue) (*string, error) {
	if input.Payload() == nil {
		return nil, nil
	}
	encoded, err := jsonOf(input)
	if err != nil {
		return nil, err
	}
	var start struct {
		Token *string `json:"token"`
	}
	if err := json.Unmarshal(encoded, &start); err != nil {
		return nil, fmt.Errorf("%s is not {\"token\":…}", cut(strings.ToValidUTF8(string(encoded), "\uFFFD"), 64))
	}
	return start.Token, nil
}

// yield lets the SDK see that the workflow is alive.
func yield(ctx workflow.Context) {
	resumed := false
	workflow.Go(ctx, func(workflow.Context) { resumed = true })
	_ = workflow.Await(ctx, func() bool { return resumed }) // the context is never cancelled
}

// runAge is how long this run has been going on.
func (s *serializer) runAge() time.Duration {
	return workflow.Now(s.ctx).Sub(s.startedOn)
}
