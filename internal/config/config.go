// Package config reads config.yaml into one struct with defaults.
//
// Values come, the later over the earlier, from Default, from the file, and for
// scalar settings from the environment: SERIATIM_<SECTION>_<KEY> in capitals,
// such as SERIATIM_HTTP_ALLOWLOOPBACK or SERIATIM_TASKQUEUE. The connection to
// Temporal is not configured here: that is TEMPORAL_* and its config.toml.
//
// viper reads keys without regard to case, and of two that differ in case only
// one would win. So nothing that a user names is a key: types and connections
// are lists whose entries have a key or name field.
package config

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/seriatim-go/seriatim/codec"
	"github.com/seriatim-go/seriatim/protocol"
)

// Config is everything that config.yaml can say.
type Config struct {
	// TaskQueue is where the workflows and this worker's handlers run; default
	// "operations".
	TaskQueue        string           `mapstructure:"taskQueue"`
	Worker           Worker           `mapstructure:"worker"`
	Serializer       Serializer       `mapstructure:"serializer"`
	LookAhead        LookAhead        `mapstructure:"lookAhead"`
	HTTP             HTTP             `mapstructure:"http"`
	SQL              SQL              `mapstructure:"sql"`
	Files            Files            `mapstructure:"files"`
	SMTP             SMTP             `mapstructure:"smtp"`
	Encryption       Encryption       `mapstructure:"encryption"`
	SearchAttributes SearchAttributes `mapstructure:"searchAttributes"`
	Traces           Traces           `mapstructure:"traces"`
	// Types is the catalogue in its own order; Catalogue builds it.
	Types []Type `mapstructure:"types"`
	// Events are the handlers that are registered for events.
	Events []Event `mapstructure:"events"`

	path string // where it was read from, for errors and relative files
}

// Worker is how much one worker process does at a time.
type Worker struct {
	// MaxConcurrentActivities is how many handlers run at a time, at least 1;
	// default 200.
	MaxConcurrentActivities int `mapstructure:"maxConcurrentActivities"`
	// MaxConcurrentWorkflowTasks is how many workflow tasks run at a time, at
	// least 2; default 200.
	MaxConcurrentWorkflowTasks int `mapstructure:"maxConcurrentWorkflowTasks"`
	// WorkflowCacheSize is how many workflows stay in memory, about 100 KB each;
	// at least as many as there are active tokens; default 10,000.
	WorkflowCacheSize int `mapstructure:"workflowCacheSize"`
	// StopTimeout is how long running handlers may go on when the worker stops;
	// default 25 s, 0 cuts them at once.
	StopTimeout time.Duration `mapstructure:"stopTimeout"`
	// HTTPAddress serves /healthz, /readyz and /metrics, as host:port; an empty
	// host is every one of the machine's. Default "", which serves nothing.
	HTTPAddress string `mapstructure:"httpAddress"`
	// SurveyInterval is how often all tokens are asked for what /metrics tells of
	// them, 30 s..24 h, or 0 for never; default 1 min. Nothing is asked without
	// HTTPAddress.
	SurveyInterval time.Duration `mapstructure:"surveyInterval"`
}

// Serializer is how long the workflow of a token lives.
type Serializer struct {
	// Linger is how long it stays with nothing to do, at least 1 s; default 1 h.
	Linger time.Duration `mapstructure:"linger"`
	// MaxRunEvents and MaxRunSignals end a run in favour of a fresh one: events
	// 10..40,000, default 2,000; signals 1..9,000, default 5,000.
	MaxRunEvents  int `mapstructure:"maxRunEvents"`
	MaxRunSignals int `mapstructure:"maxRunSignals"`
	// OldestWorker is the oldest release that any worker of the task queue has, one
	// of Releases; default the latest. What an older one could not go on with is
	// not done.
	OldestWorker string `mapstructure:"oldestWorker"`
}

// Releases are those in which runs of workflows began to do what the one before
// cannot go on with.
var Releases = []string{"0.1.0", "0.2.0"}

// Beside010 says that a worker of 0.1.0 may go on with what this one began. So no
// token looks at the chain before it in its first workflow task, no operation is
// started ahead, and no type has "execution: local".
func (s Serializer) Beside010() bool { return s.OldestWorker == "0.1.0" }

// LookAhead is how far ahead of a head that stands still executions are started.
type LookAhead struct {
	// Window is how many of the next operations of a token, 0..100; default 20. It is
	// none where OldestWorker is 0.1.0.
	Window int `mapstructure:"window"`
	// After is how long one operation is the head before it stands still, 100 ms..24 h;
	// default 2 s.
	After time.Duration `mapstructure:"after"`
}

// HTTP configures the handler of http.request.
type HTTP struct {
	// AllowLoopback lets requests reach this machine; default false.
	AllowLoopback bool `mapstructure:"allowLoopback"`
	// DenyPrivate refuses private networks; default false.
	DenyPrivate bool `mapstructure:"denyPrivate"`
	// ProxyFromEnvironment obeys HTTP_PROXY and HTTPS_PROXY, whose proxy then
	// resolves addresses unchecked; default false.
	ProxyFromEnvironment bool `mapstructure:"proxyFromEnvironment"`
	// AllowHosts are those to which requests may go; none allows all.
	AllowHosts []string `mapstructure:"allowHosts"`
	// MaxResponseBytes is how much of a response is kept, 1..262,144; default
	// 65,536.
	MaxResponseBytes int `mapstructure:"maxResponseBytes"`
	// Connections are the targets that operations may name.
	Connections []Connection `mapstructure:"connections"`
}

// Connection is a target of HTTP requests with headers that no payload has to
// carry.
type Connection struct {
	Name    string            `mapstructure:"name"`
	BaseURL string            `mapstructure:"baseURL"`
	Headers map[string]Secret `mapstructure:"headers"`
}

// Encryption hides payloads from the Temporal server.
type Encryption struct {
	// KeyFile is read by codec.Read, its path beginning at the configuration's
	// folder; default "", payloads are in the open.
	KeyFile string `mapstructure:"keyFile"`
}

// Traces says whether spans are made of handlers.
type Traces struct {
	// Exporter is TracesOTLP, which sends them as the standard OTEL_* variables of the
	// environment say, or "", the default, which makes none.
	Exporter string `mapstructure:"exporter"`
}

// TracesOTLP is the one exporter.
const TracesOTLP = "otlp"

// Codec encrypts under the keys of encryption.keyFile; nil without one.
func (c Config) Codec() (*codec.Codec, error) {
	if c.Encryption.KeyFile == "" {
		return nil, nil
	}
	keys, err := codec.Read(c.relative(c.Encryption.KeyFile))
	if err != nil {
		return nil, fmt.Errorf("%s: encryption.keyFile: %w", c.path, err)
	}
	return keys, nil
}

// Type is one entry of the catalogue. What is absent gets the catalogue's
// defaults.
type Type struct {
	Key      string `mapstructure:"key"`
	Number   int    `mapstructure:"number"`
	Label    string `mapstructure:"label"`
	Workflow string `mapstructure:"workflow"`
	// Workflows are those that an operation's data may name.
	Workflows []Workflow `mapstructure:"workflows"`
	Activity  string     `mapstructure:"activity"`
	TaskQueue string     `mapstructure:"taskQueue"`
	// Restrictions are what its operations may not be asked. DependencyToken
	// "allowed" lifts that of an original type that takes no token.
	Restrictions    []string `mapstructure:"restrictions"`
	DependencyToken string   `mapstructure:"dependencyToken"`

	StartToClose  time.Duration `mapstructure:"startToClose"`
	Heartbeat     time.Duration `mapstructure:"heartbeat"`
	CancelTimeout time.Duration `mapstructure:"cancelTimeout"`
	Retry         Retry         `mapstructure:"retry"`
	// Execution "local" has the first attempt run in the operation's workflow task.
	Execution string `mapstructure:"execution"`
}

// Event is a handler that is registered for events: Type, or what runs it.
type Event struct {
	Name string `mapstructure:"name"`
	// Message and Entity are those that it is for; absent is any.
	Message string `mapstructure:"message"`
	Entity  string `mapstructure:"entity"`
	// Token makes the operations' dependency token from the event.
	Token string `mapstructure:"token"`
	// Type is an operation type of the catalogue; absent, the rest says what runs
	// it, as for a type.
	Type          string        `mapstructure:"type"`
	Activity      string        `mapstructure:"activity"`
	Workflow      string        `mapstructure:"workflow"`
	TaskQueue     string        `mapstructure:"taskQueue"`
	StartToClose  time.Duration `mapstructure:"startToClose"`
	Heartbeat     time.Duration `mapstructure:"heartbeat"`
	CancelTimeout time.Duration `mapstructure:"cancelTimeout"`
	Retry         Retry         `mapstructure:"retry"`
	Execution     string        `mapstructure:"execution"`
}

// Workflow is one that an operation's data may name.
type Workflow struct {
	Name      string `mapstructure:"name"`
	TaskQueue string `mapstructure:"taskQueue"`
}

// Retry is a type's retry policy.
type Retry struct {
	MaxAttempts  int           `mapstructure:"maxAttempts"`
	Initial      time.Duration `mapstructure:"initial"`
	Backoff      float64       `mapstructure:"backoff"`
	Max          time.Duration `mapstructure:"max"`
	NonRetryable []string      `mapstructure:"nonRetryable"`
}

// Default is the configuration of an empty file: every setting, no type.
func Default() Config {
	return Config{
		TaskQueue: protocol.DefaultTaskQueue,
		Worker: Worker{
			MaxConcurrentActivities:    200,
			MaxConcurrentWorkflowTasks: 200,
			WorkflowCacheSize:          10_000,
			StopTimeout:                25 * time.Second,
			SurveyInterval:             time.Minute,
		},
		Serializer:       Serializer{Linger: time.Hour, MaxRunEvents: 2000, MaxRunSignals: 5000, OldestWorker: Releases[len(Releases)-1]},
		LookAhead:        LookAhead{Window: 20, After: 2 * time.Second},
		HTTP:             HTTP{MaxResponseBytes: 64 << 10},
		SearchAttributes: SearchAttributes{Names: defaultAttributeNames()},
	}
}

// settings are the scalar settings by key, each of which the environment may
// set.
func (c *Config) settings() map[string]any {
	settings := map[string]any{
		"taskQueue":                         &c.TaskQueue,
		"worker.maxConcurrentActivities":    &c.Worker.MaxConcurrentActivities,
		"worker.maxConcurrentWorkflowTasks": &c.Worker.MaxConcurrentWorkflowTasks,
		"worker.workflowCacheSize":          &c.Worker.WorkflowCacheSize,
		"worker.stopTimeout":                &c.Worker.StopTimeout,
		"worker.httpAddress":                &c.Worker.HTTPAddress,
		"worker.surveyInterval":             &c.Worker.SurveyInterval,
		"serializer.linger":                 &c.Serializer.Linger,
		"serializer.maxRunEvents":           &c.Serializer.MaxRunEvents,
		"serializer.maxRunSignals":          &c.Serializer.MaxRunSignals,
		"serializer.oldestWorker":           &c.Serializer.OldestWorker,
		"lookAhead.window":                  &c.LookAhead.Window,
		"lookAhead.after":                   &c.LookAhead.After,
		"http.allowLoopback":                &c.HTTP.AllowLoopback,
		"http.denyPrivate":                  &c.HTTP.DenyPrivate,
		"http.proxyFromEnvironment":         &c.HTTP.ProxyFromEnvironment,
		"http.maxResponseBytes":             &c.HTTP.MaxResponseBytes,
		"files.root":                        &c.Files.Root,
		"encryption.keyFile":                &c.Encryption.KeyFile,
		"traces.exporter":                   &c.Traces.Exporter,
	}
	for attribute, name := range c.SearchAttributes.Names.byAttribute() {
		settings[attributeNamesKey+attribute] = name
	}
	return settings
}

// relative is a path of the configuration as the process sees it: one that is
// not absolute begins at the file's folder.
func (c Config) relative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(c.path), path)
}
