package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMistakesNameKeyAndValue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content   string
		variables map[string]string
		problem   string
	}{
		"no YAML":                         {"taskQueue: [", nil, "config.yaml: "},
		"an unknown key":                  {"taskQeue: a", nil, "taskqeue: is not a setting"},
		"an unknown key in a section":     {"http: {allowLopback: true}", nil, "http.allowlopback: is not a setting"},
		"an unknown key of a type":        {"types: [{key: a, activty: b}]", nil, "types[0].activty: is not a setting"},
		"an unknown key of a retry":       {"types: [{key: a, activity: b, retry: {attempts: 3}}]", nil, "types[0].retry.attempts: is not a setting"},
		"an unknown source of a header":   {"http: {connections: [{name: a, baseURL: b, headers: {X-A: {vault: x}}}]}", nil, "http.connections[0].headers[x-a].vault: is not a setting"},
		"a duration without a unit":       {"serializer: {linger: 3600}", nil, `serializer.linger: 3600 is not a duration with its unit, such as "30s"`},
		"a malformed duration":            {"worker: {stopTimeout: 1 minute}", nil, `worker.stopTimeout: "1 minute" is not a duration`},
		"a word for true":                 {`http: {denyPrivate: "on"}`, nil, `http.denyPrivate: "on" is not true or false`},
		"a number for true":               {"http: {denyPrivate: 1}", nil, `http.denyPrivate: 1 is not true or false`},
		"a number for a string":           {"taskQueue: 5", nil, `taskQueue: 5 is not a string`},
		"a string for a number":           {`http: {maxResponseBytes: "5"}`, nil, `http.maxResponseBytes: "5" is not a whole number`},
		"a fraction for a whole number":   {"http: {maxResponseBytes: 5.5}", nil, `http.maxResponseBytes: 5.5 is not a whole number`},
		"a backoff that is no number":     {"types: [{key: a, activity: b, retry: {backoff: .nan}}]", nil, `types[0].retry.backoff: NaN is not a number`},
		"a backoff without end":           {"types: [{key: a, activity: b, retry: {backoff: .inf}}]", nil, `types[0].retry.backoff: +Inf is not a number`},
		"a scalar for a section":          {"http: on", nil, `http: "on" is not a section of keys`},
		"two unknown keys":                {"http: {b: 1, a: 1}", nil, "http.a, http.b: is not a setting"},
		"a scalar for a list":             {"types: http.request", nil, `types: "http.request" is not a list`},
		"a number for a header":           {"http: {connections: [{name: a, baseURL: b, headers: {X-A: 5}}]}", nil, `is not a string, {env: NAME} or {file: PATH}`},
		"each wrong key":                  {"taskQueue: 5\nserializer: {linger: 1}", nil, "serializer.linger: 1 is not"},
		"an empty task queue":             {`taskQueue: ""`, nil, `taskQueue: "" does not have 1..200 bytes`},
		"no handler at a time":            {"worker: {maxConcurrentActivities: 0}", nil, "worker.maxConcurrentActivities: 0 is not in 1..100000"},
		"one workflow task at a time":     {"worker: {maxConcurrentWorkflowTasks: 1}", nil, "worker.maxConcurrentWorkflowTasks: 1 is not in 2..100000"},
		"no cache":                        {"worker: {workflowCacheSize: 0}", nil, "worker.workflowCacheSize: 0 is not in"},
		"a negative stop timeout":         {"worker: {stopTimeout: -1s}", nil, "worker.stopTimeout: -1s is not in 0s..1h0m0s"},
		"an address without a port":       {"worker: {httpAddress: localhost}", nil, `worker.httpAddress: "localhost" is not host:port with a port in 0..65535`},
		"an address with a wrong port":    {`worker: {httpAddress: ":65536"}`, nil, `worker.httpAddress: ":65536" is not host:port`},
		"a survey that is too often":      {"worker: {surveyInterval: 1s}", nil, `worker.surveyInterval: 1s is not in 30s..24h0m0s`},
		"no linger":                       {"serializer: {linger: 0s}", nil, "serializer.linger: 0s is not in 1s..720h0m0s"},
		"too few events":                  {"serializer: {maxRunEvents: 9}", nil, "serializer.maxRunEvents: 9 is not in 10..40000"},
		"a window out of bounds":          {"lookAhead: {window: 101}", nil, "lookAhead.window: 101 is not in 0..100"},
		"a head that stands at once":      {"lookAhead: {after: 0s}", nil, "lookAhead.after: 0s is not in"},
		"too many events":                 {"serializer: {maxRunEvents: 50000}", nil, "serializer.maxRunEvents: 50000 is not in"},
		"local beside an older worker":    {"serializer: {oldestWorker: \"0.1.0\"}\ntypes: [{key: a.b, activity: doAB, execution: local}]", nil, "types[0].execution: local needs serializer.oldestWorker 0.2.0"},
		"a local event beside one":        {"serializer: {oldestWorker: \"0.1.0\"}\nevents: [{name: n, activity: notify, execution: local}]", nil, "events[0].execution: local needs serializer.oldestWorker 0.2.0"},
		"a release that there is not":     {"serializer: {oldestWorker: \"0.1\"}", nil, `serializer.oldestWorker: "0.1" is not one of 0.1.0, 0.2.0`},
		"too many signals":                {"serializer: {maxRunSignals: 10000}", nil, "serializer.maxRunSignals: 10000 is not in 1..9000"},
		"a response over a result":        {"http: {maxResponseBytes: 262145}", nil, "http.maxResponseBytes: 262145 is not in 1..262144"},
		"a connection without a name":     {"http: {connections: [{baseURL: b}]}", nil, `http.connections[0].name: "" is empty or taken`},
		"a connection twice":              {"http: {connections: [{name: a, baseURL: b}, {name: a, baseURL: b}]}", nil, `http.connections[1].name: "a" is empty or taken`},
		"a connection without a base":     {"http: {connections: [{name: a}]}", nil, `http.connections[0].baseURL: is missing for "a"`},
		"a header with two sources":       {"http: {connections: [{name: a, baseURL: b, headers: {X-A: {env: A, file: b}}}]}", nil, "http.connections[0].headers.x-a: has more than one of value, env and file"},
		"an unknown driver":               {"sql: {connections: [{name: a, driver: mysql, dsn: b}]}", nil, `sql.connections[0].driver: "mysql" is not one of sqlite, postgres`},
		"a database without a place":      {"sql: {connections: [{name: a, driver: sqlite}]}", nil, `sql.connections[0].dsn: is missing for "a"`},
		"a database with two places":      {"sql: {connections: [{name: a, driver: sqlite, dsn: {env: A, file: b}}]}", nil, "sql.connections[0].dsn: has more than one of value, env and file"},
		"a database twice":                {"sql: {connections: [{name: a, driver: sqlite, dsn: b}, {name: a, driver: sqlite, dsn: b}]}", nil, `sql.connections[1].name: "a" is empty or taken`},
		"an unknown key of a database":    {"sql: {connections: [{name: a, driver: sqlite, dsn: b, password: c}]}", nil, "sql.connections[0].password: is not a setting"},
		"too many open connections":       {"sql: {connections: [{name: a, driver: sqlite, dsn: b, maxOpen: 1001}]}", nil, "sql.connections[0].maxOpen: 1001 is not in 1..1000"},
		"a number for a database's place": {"sql: {connections: [{name: a, driver: sqlite, dsn: 5}]}", nil, "sql.connections[0].dsn: 5 is not a string, {env: NAME} or {file: PATH}"},
		"a mail server without a host":    {"smtp: {connections: [{name: a}]}", nil, `smtp.connections[0].host: is missing for "a"`},
		"a mail server twice":             {"smtp: {connections: [{name: a, host: b}, {name: a, host: b}]}", nil, `smtp.connections[1].name: "a" is empty or taken`},
		"a password with two sources":     {"smtp: {connections: [{name: a, host: b, password: {env: A, file: b}}]}", nil, "smtp.connections[0].password: has more than one of value, env and file"},
		"an unknown key of a mail server": {"smtp: {connections: [{name: a, host: b, user: c}]}", nil, "smtp.connections[0].user: is not a setting"},
		"a type without a key":            {"types: [{activity: b}]", nil, `types: type "": key: "" is not lower-case words with dots`},
		"a type without an activity":      {"types: [{key: a}]", nil, `types: type "a": activity: is missing`},
		"a number of the original's":      {"types: [{key: a, activity: b, number: 5}]", nil, `types: type "a": number: 5 is less than 100000`},
		"another number of an original":   {"types: [{key: import, number: 7, activity: b}]", nil, `types: type "import": number: 7 is not that of the original type "import", which is 5`},
		"an activity and a workflow":      {"types: [{key: a, activity: b, workflow: c}]", nil, `types: type "a": activity: more than one of`},
		"an unknown key of a workflow":    {"types: [{key: workflow, workflows: [{type: W}]}]", nil, "types[0].workflows[0].type: is not a setting"},
		"an unknown key of an event":      {"events: [{name: a, mesage: b}]", nil, "events[0].mesage: is not a setting"},
		"an event without a handler":      {"events: [{name: a}]", nil, `events: handler "a": activity: is missing`},
		"an event of an unknown type":     {"events: [{name: a, type: b.c}]", nil, `events: handler "a": type: operationType "b.c" is not in the catalogue`},
		"a token of an unknown field":     {"events: [{name: a, activity: b, token: '{record}'}]", nil, `events: handler "a": token: {record} is not a field of an event`},
		"a handler twice":                 {"events: [{name: a, activity: b}, {name: a, activity: c}]", nil, `events: handler "a": name: is taken`},
		"a restriction that is none":      {"types: [{key: a, activity: b, restrictions: [noCancel]}]", nil, `types: type "a": restrictions: "noCancel" is not one of`},
		"a dependency token forbidden":    {"types: [{key: a, activity: b, dependencyToken: forbidden}]", nil, `types: type "a": dependencyToken: "forbidden" is not "allowed"`},
		"a dependency token both ways":    {"types: [{key: a, activity: b, dependencyToken: allowed, restrictions: [noToken]}]", nil, `types: type "a": dependencyToken: is allowed, and restrictions has "noToken"`},
		"a key twice":                     {"types: [{key: a, activity: b}, {key: a, activity: c}]", nil, `a is taken by type "a"`},
		"a number twice":                  {"types: [{key: a, activity: b, number: 100001}, {key: c, activity: c, number: 100001}]", nil, `type "c": 100001 is taken by type "a"`},
		"a negative start to close":       {"types: [{key: a, activity: b, startToClose: -1s}]", nil, `startToClose: -1s is negative`},
		"a cancel timeout without a unit": {"types: [{key: a, activity: b, cancelTimeout: 60}]", nil, `types[0].cancelTimeout: 60 is not a duration`},
		"a negative cancel timeout":       {"types: [{key: a, activity: b, cancelTimeout: -1s}]", nil, `cancelTimeout: -1s is negative`},
		"an endless cancel timeout":       {"types: [{key: a, activity: b, cancelTimeout: 100000h}]", nil, `cancelTimeout: 3.6e+08s is not in`},
		"attempts that do not fit":        {"types: [{key: a, activity: b, retry: {maxAttempts: -5000000000}}]", nil, `retry.maxAttempts: -1 is less than 1`},
		"a wrong variable":                {"", map[string]string{"SERIATIM_HTTP_ALLOWLOOPBACK": "maybe"}, `SERIATIM_HTTP_ALLOWLOOPBACK: "maybe" is not true or false`},
		"an empty attribute name":         {`searchAttributes: {names: {OperationStatus: ""}}`, nil, `searchAttributes.names.OperationStatus: "" is not a name`},
		"an attribute name with a blank":  {"searchAttributes: {names: {OperationStatus: my status}}", nil, `searchAttributes.names.OperationStatus: "my status" is not a name`},
		"an attribute name twice":         {"searchAttributes: {names: {OperationStatus: A, QueueDepth: A}}", nil, `searchAttributes.names.QueueDepth: "A" is the name of OperationStatus too`},
		"another attribute's name":        {"searchAttributes: {names: {OperationStatus: QueueDepth}}", nil, `searchAttributes.names.OperationStatus: "QueueDepth" is the name of QueueDepth too`},
		"an attribute of Temporal's":      {"searchAttributes: {names: {OperationStatus: ExecutionStatus}}", nil, `searchAttributes.names.OperationStatus: "ExecutionStatus" is a name of Temporal's own`},
		"an unknown attribute":            {"searchAttributes: {names: {Status: A}}", nil, "searchAttributes.names.status: is not a setting"},
		"a number for an attribute name":  {"searchAttributes: {names: {OperationStatus: 5}}", nil, "searchAttributes.names.OperationStatus: 5 is not a string"},
		"a wrong attribute name variable": {"", map[string]string{"SERIATIM_SEARCHATTRIBUTES_NAMES_OPERATIONSTATUS": "1"}, `searchAttributes.names.OperationStatus: "1" is not a name`},
		"a variable without a unit":       {"", map[string]string{"SERIATIM_SERIALIZER_LINGER": "60"}, `SERIATIM_SERIALIZER_LINGER: "60" is not a duration`},
		"a variable out of bounds":        {"", map[string]string{"SERIATIM_SERIALIZER_MAXRUNEVENTS": "3"}, `serializer.maxRunEvents: 3 is not in`},
		"a variable that is not a number": {"", map[string]string{"SERIATIM_HTTP_MAXRESPONSEBYTES": "1k"}, `SERIATIM_HTTP_MAXRESPONSEBYTES: "1k" is not a whole number`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, c.content, c.variables)
			require.ErrorContains(t, err, c.problem)
			if c.variables == nil {
				require.ErrorContains(t, err, "config.yaml")
			}
		})
	}
}

func TestMissingFileIsNamed(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), environment(nil))
	require.ErrorContains(t, err, "none.yaml")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCatalogueErrorNamesFileKeyAndValue(t *testing.T) {
	t.Parallel()
	c := Default()
	c.path, c.Types = "config.yaml", []Type{{Key: "a", Activity: "b", Number: 7}}
	_, err := c.Catalogue()
	require.EqualError(t, err, `config.yaml: types: type "a": number: 7 is less than 100000, where a team's own numbers begin`)
}
