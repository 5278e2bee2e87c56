package compose

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const root = "../.."

// load reads docker-compose.yml, checks it against the compose schema and resolves its variables
// from an empty environment.
func load(t *testing.T) *types.Project {
	t.Helper()
	dir, err := filepath.Abs(root)
	require.NoError(t, err)
	project, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  dir,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "docker-compose.yml")}},
		Environment: types.Mapping{},
	})
	require.NoError(t, err)
	return project
}

func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"postgres":  "postgres:16",
		"schema":    "temporalio/admin-tools:1.32.0",
		"temporal":  "temporalio/server:1.32.0",
		"namespace": "temporalio/admin-tools:1.32.0",
		"ui":        "temporalio/ui:2.54.1",
		"worker":    "seriatim-worker:local",
	}
	got := map[string]string{}
	for name, service := range load(t).Services {
		got[name] = service.Image
	}
	require.Equal(t, want, got)
}

func TestPortsAreBoundToLoopback(t *testing.T) {
	t.Parallel()
	var published []string
	for name, service := range load(t).Services {
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "service %s, port %s", name, port.Published)
			published = append(published, port.Published)
		}
	}
	slices.Sort(published)
	require.Equal(t, []string{"7233", "7243", "8080"}, published)
}

func TestStartOrderWaitsForHealthAndForTheJobs(t *testing.T) {
	t.Parallel()
	jobs := []string{"schema", "namespace"}
	want := map[string]string{
		"schema needs postgres":    types.ServiceConditionHealthy,
		"temporal needs schema":    types.ServiceConditionCompletedSuccessfully,
		"namespace needs temporal": types.ServiceConditionHealthy,
		"ui needs temporal":        types.ServiceConditionHealthy,
		"worker needs namespace":   types.ServiceConditionCompletedSuccessfully,
	}
	project := load(t)
	got := map[string]string{}
	for name, service := range project.Services {
		for target, dependency := range service.DependsOn {
			got[name+" needs "+target] = dependency.Condition
			require.Contains(t, project.Services, target)
			if dependency.Condition == types.ServiceConditionHealthy {
				require.NotNil(t, project.Services[target].HealthCheck, "%s has no health check", target)
			}
		}
		// A job that restarts never completes; a service that does not restart stays down.
		if slices.Contains(jobs, name) {
			require.Empty(t, service.Restart, "job %s", name)
		} else {
			require.Equal(t, types.RestartPolicyUnlessStopped, service.Restart, "service %s", name)
		}
	}
	require.Equal(t, want, got)
}

func TestVolumesAndLocalFilesExist(t *testing.T) {
	t.Parallel()
	project := load(t)
	named := map[string]string{}
	var mounted []string
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			switch volume.Type {
			case types.VolumeTypeVolume:
				require.Contains(t, project.Volumes, volume.Source, "service %s", name)
				named[volume.Source] = name + ":" + volume.Target
			case types.VolumeTypeBind:
				require.FileExists(t, volume.Source, "service %s", name)
				require.True(t, volume.ReadOnly, "service %s can write to %s", name, volume.Source)
				mounted = append(mounted, filepath.Base(volume.Source))
			default:
				t.Errorf("service %s mounts a %s", name, volume.Type)
			}
		}
		if service.Build != nil {
			require.FileExists(t, filepath.Join(service.Build.Context, service.Build.Dockerfile))
		}
	}
	slices.Sort(mounted)
	require.Equal(t, map[string]string{"postgres-data": "postgres:/var/lib/postgresql/data"}, named)
	require.Len(t, project.Volumes, 1, "every named volume is used")
	require.Equal(t, []string{"config.yaml", "dynamicconfig.yaml"}, mounted)
}

func TestWorkerFindsItsServerAndItsConfiguration(t *testing.T) {
	t.Parallel()
	worker := load(t).Services["worker"]
	require.Equal(t, types.ShellCommand{"--config", "/config.yaml"}, worker.Command)
	require.Equal(t, "/config.yaml", worker.Volumes[0].Target)
	require.Equal(t, "temporal:7233", *worker.Environment["TEMPORAL_ADDRESS"])
	require.Equal(t, "default", *worker.Environment["TEMPORAL_NAMESPACE"])
}

func TestServerReadsTheMountedDynamicConfig(t *testing.T) {
	t.Parallel()
	server := load(t).Services["temporal"]
	require.Equal(t, server.Volumes[0].Target, *server.Environment["DYNAMIC_CONFIG_FILE_PATH"])

	data, err := os.ReadFile(server.Volumes[0].Source)
	require.NoError(t, err)
	var settings map[string][]struct {
		Value       any            `yaml:"value"`
		Constraints map[string]any `yaml:"constraints"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	decoder.KnownFields(true)
	require.NoError(t, decoder.Decode(&settings))
	require.Equal(t, 255, settings["limit.maxIDLength"][0].Value)
	require.Contains(t, settings, "history.transferProcessorMaxPollRPS")
}

func TestSchemaJobSetsUpBothDatabases(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{
		"temporal-sql-tool --database temporal create",
		"temporal-sql-tool --database temporal setup-schema --version 0.0",
		"temporal-sql-tool --database temporal update-schema --schema-name postgresql/v12/temporal",
		"temporal-sql-tool --database temporal_visibility create",
		"temporal-sql-tool --database temporal_visibility setup-schema --version 0.0",
		"temporal-sql-tool --database temporal_visibility update-schema --schema-name postgresql/v12/visibility",
	}, runJob(t, "schema", "exit 0"))
}

func TestNamespaceJobCreatesNamespaceAndSearchAttributes(t *testing.T) {
	t.Parallel()
	// The namespace is not there yet, and the first health check and the first search attribute
	// request fail, as they do on a server that has just started.
	calls := runJob(t, "namespace", `
		case "$*" in
			*"namespace describe"*) exit 1 ;;
			*health* | *search-attribute*) [ -e "$(dirname "$0")/$3.seen" ] || { : >"$(dirname "$0")/$3.seen"; exit 1; } ;;
		esac`)
	require.Equal(t, []string{
		"temporal operator cluster health",
		"temporal operator cluster health",
		"temporal operator namespace describe --namespace default",
		"temporal operator namespace create --namespace default --retention 720h",
	}, calls[:4])
	require.Len(t, calls, 7, "the search attribute request is tried again")
	require.Equal(t, calls[4], calls[5])
	require.Equal(t, "temporal workflow count --namespace default --query QueueDepth >= 0", calls[6])

	attributes := map[string]string{}
	for _, match := range regexp.MustCompile(`--name (\S+) --type (\S+)`).FindAllStringSubmatch(calls[5], -1) {
		attributes[match[1]] = match[2]
	}
	require.Equal(t, map[string]string{
		"DependencyToken": "Keyword",
		"OperationType":   "Keyword",
		"OperationStatus": "Keyword",
		"OperationOwner":  "Keyword",
		"CorrelationId":   "Keyword",
		"RegardingObject": "Keyword",
		"PostponeUntil":   "Datetime",
		"QueueDepth":      "Int",
	}, attributes)
}

func TestNamespaceJobLeavesAnExistingNamespaceAlone(t *testing.T) {
	t.Parallel()
	for _, call := range runJob(t, "namespace", "exit 0") {
		require.NotContains(t, call, "namespace create")
	}
}

// runJob runs a one-shot service's command in the local shell. The tools that it calls are
// replaced by a stub, whose answer is the given shell code; the calls are returned.
func runJob(t *testing.T, service, answer string) []string {
	t.Helper()
	job := load(t).Services[service]
	require.Equal(t, types.ShellCommand{"/bin/sh", "-ec"}, job.Entrypoint)
	require.Len(t, job.Command, 1)

	bin := t.TempDir()
	log := filepath.Join(bin, "calls")
	for _, tool := range []string{"temporal", "temporal-sql-tool"} {
		stub := "#!/bin/sh\necho " + tool + ` "$@" >>"` + log + "\"\n" + answer + "\n"
		require.NoError(t, os.WriteFile(filepath.Join(bin, tool), []byte(stub), 0o755))
	}
	require.NoError(t, os.WriteFile(filepath.Join(bin, "sleep"), []byte("#!/bin/sh\n"), 0o755))
	command := exec.CommandContext(t.Context(), job.Entrypoint[0], job.Entrypoint[1], job.Command[0])
	command.Env = []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH")}
	for name, value := range job.Environment {
		command.Env = append(command.Env, name+"="+*value)
	}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)

	calls, err := os.ReadFile(log)
	require.NoError(t, err)
	return strings.Split(strings.TrimSpace(string(calls)), "\n")
}

func TestImageIsBuiltWithTheModulesGoVersion(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, "go.mod"))
	require.NotNil(t, version)
	require.Contains(t, read(t, "Dockerfile"), "FROM golang:"+version[1]+" AS build\n")
}

func TestImageIsBuiltFromEveryPackageItNeeds(t *testing.T) {
	t.Parallel()
	copied := map[string]bool{}
	for _, match := range regexp.MustCompile(`(?m)^COPY (\S+) \./(\S+)$`).FindAllStringSubmatch(read(t, "Dockerfile"), -1) {
		require.Equal(t, match[1], match[2])
		require.DirExists(t, filepath.Join(root, match[1]))
		copied[match[1]] = true
	}

	const format = `{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}`
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", format, "./worker", "./starter")
	list.Dir = root
	output, err := list.Output()
	require.NoError(t, err)
	for path := range strings.FieldsSeq(string(output)) {
		directory, _, _ := strings.Cut(strings.TrimPrefix(path, "github.com/seriatim-go/seriatim/"), "/")
		require.True(t, copied[directory], "the Dockerfile does not copy %s, needed for %s", directory, path)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	require.NoError(t, err)
	return string(data)
}
