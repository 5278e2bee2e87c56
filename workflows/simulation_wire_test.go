package workflows

import (
	"encoding/json"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/seriatim-go/seriatim/protocol"
)

// simBad is refused wherever it stands, as InvalidOperation.
var simBad = []string{
	`42`, `null`, `{"id":"x"}`, `{"operationType":"NOT A KEY"}`, `{"operationType":"test.record","dependencyToken":"another"}`,
	`{"operationType":"test.record","recurrencePattern":"FREQ=DAILY"}`, `{"operationType":"test.record","stateCode":3}`,
	`{"operationType":"test.record","postponeUntil":"tomorrow"}`, `{"operationType":"test.record","id":"a\u0000b"}`, simNotJSON,
}

const simNotJSON = `{"operationType":`

// argument is the submission as the signal's argument.
func (e simEvent) argument(start time.Time) any {
	if !e.batch {
		return e.items[0].argument(start)
	}
	batch := make([]any, len(e.items))
	for i, item := range e.items {
		if batch[i] = item.argument(start); item.bad == simNotJSON {
			batch[i] = 7 // one bad element must not spoil the others
		}
	}
	if len(batch)%2 == 0 {
		return batch
	}
	return map[string]any{"operations": batch}
}

func (i simItem) argument(start time.Time) any {
	if i.bad == simNotJSON {
		return converter.NewRawValue(&commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte("json/plain")}, Data: []byte(i.bad),
		})
	}
	if i.bad != "" {
		return json.RawMessage(i.bad)
	}
	o := protocol.Operation{ID: i.ID, Name: i.Name, OperationType: "test.record", Data: encoded(i.plan)}
	if i.plan.Local != simRegular {
		o.OperationType = "test.local"
	}
	if i.plan.UnknownType {
		o.OperationType = "no.such.type"
	}
	if i.PostponeUntil != 0 {
		until := start.Add(i.PostponeUntil)
		o.PostponeUntil = &until
	}
	if !i.unknownField {
		return o
	}
	sent := encoded(o)
	return json.RawMessage(append(sent[:len(sent)-1], `,"newField":1}`...))
}

func encoded(value any) json.RawMessage {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err) // plain data
	}
	return raw
}
