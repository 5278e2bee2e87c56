package compose

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/seriatim-go/seriatim/internal/config"
	"github.com/seriatim-go/seriatim/internal/embedded"
	"github.com/seriatim-go/seriatim/protocol"
)

const root = "../.."

// load reads docker-compose.yml as "docker compose" does, with the profiles of its --profile
// flags, checks it against the compose schema, and resolves its variables from .env alone.
func load(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	dir, err := filepath.Abs(root)
	require.NoError(t, err)
	options, err := cli.NewProjectOptions([]string{filepath.Join(dir, "docker-compose.yml")},
		cli.WithWorkingDirectory(dir), cli.WithEnvFiles(), cli.WithDotEnv, cli.WithDefaultProfiles(profiles...))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

// all is a profile that every service has.
const all = "*"

func TestImagesArePinned(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"postgres":     "postgres:16",
		"schema":       "temporalio/admin-tools:1.32.0",
		"temporal":     "temporalio/server:1.32.0",
		"namespace":    "temporalio/admin-tools:1.32.0",
		"ui":           "temporalio/ui:2.54.1",
		"worker":       "seriatim-worker:local",
		"temporal-dev": "temporalio/temporal:1.5.1",
		"worker-dev":   "seriatim-worker:local",
		"prometheus":   "prom/prometheus:v3.5.0",
		"grafana":      "grafana/grafana:12.2.0",
	}
	got := map[string]string{}
	for name, service := range load(t, all).Services {
		got[name] = service.Image
	}
	require.Equal(t, want, got)
}

func TestProfilesStartWhatTheyPromise(t *testing.T) {
	t.Parallel()
	full := []string{"namespace", "postgres", "schema", "temporal", "ui", "worker"}
	for name, c := range map[string]struct{ profiles, services []string }{
		"full without a flag":       {nil, full},
		"full":                      {[]string{"full"}, full},
		"dev is nothing but a pair": {[]string{"dev"}, []string{"temporal-dev", "worker-dev"}},
		"observability goes beside": {[]string{"dev", "observability"}, []string{"grafana", "prometheus", "temporal-dev", "worker-dev"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.services, load(t, c.profiles...).ServiceNames())
		})
	}
}

// What cluster-test runs is what the images of the file hold.
func TestClusterTestBuildsTheVersionsOfTheImages(t *testing.T) {
	t.Parallel()
	services := load(t, all).Services
	server, command := read(t, "clusterserver/server/go.mod"), read(t, "clusterserver/cli/go.mod")
	_, version, _ := strings.Cut(services["temporal"].Image, ":")
	require.Contains(t, server, "go.temporal.io/server v"+version+" ")
	require.Contains(t, read(t, "devserver/go.mod"), "go.temporal.io/server v"+version+"\n")
	_, version, _ = strings.Cut(services["temporal-dev"].Image, ":")
	require.Contains(t, command, "github.com/temporalio/cli v"+version)
}

func TestPortsAreBoundToLoopback(t *testing.T) {
	t.Parallel()
	for profile, want := range map[string][]string{
		"full": {"7233", "7243", "8080"},
		"dev":  {"7233", "7243", "8233"},

		"observability": {"3000", "9090"},
	} {
		var published []string
		for name, service := range load(t, profile).Services {
			for _, port := range service.Ports {
				require.Equal(t, "127.0.0.1", port.HostIP, "service %s, port %s", name, port.Published)
				published = append(published, port.Published)
			}
		}
		slices.Sort(published)
		require.Equal(t, want, published, profile)
	}
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

		"worker-dev needs temporal-dev": types.ServiceConditionHealthy,
		"grafana needs prometheus":      types.ServiceConditionStarted,
	}
	project := load(t, all)
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
	project := load(t, all)
	named := map[string]string{}
	var mounted []string
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			switch volume.Type {
			case types.VolumeTypeVolume:
				require.Contains(t, project.Volumes, volume.Source, "service %s", name)
				named[volume.Source] = name + ":" + volume.Target
			case types.VolumeTypeBind:
				_, err := os.Stat(volume.Source)
				require.NoError(t, err, "service %s", name)
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
	require.Equal(t, map[string]string{"postgres-data": "postgres:/var/lib/postgresql/data", "prometheus-data": "prometheus:/prometheus"}, named)
	require.Len(t, project.Volumes, len(named), "every named volume is used")
	require.Equal(t, []string{"config.yaml", "config.yaml", "dashboard.json", "dynamicconfig.yaml", "grafana", "observability"}, mounted)
}

func TestWorkerFindsItsServerAndItsConfiguration(t *testing.T) {
	t.Parallel()
	services := load(t, all).Services
	loaded, err := config.Load(filepath.Join(root, "config.yaml"), func(string) (string, bool) { return "", false })
	require.NoError(t, err)
	for name, address := range map[string]string{"worker": "temporal:7233", "worker-dev": "temporal-dev:7233"} {
		worker := services[name]
		require.Equal(t, types.ShellCommand{"--config", "/config.yaml"}, worker.Command)
		require.Equal(t, "/config.yaml", worker.Volumes[0].Target)
		require.Equal(t, address, *worker.Environment["TEMPORAL_ADDRESS"])
		require.Equal(t, "default", *worker.Environment["TEMPORAL_NAMESPACE"])
		require.Greater(t, time.Duration(*worker.StopGracePeriod), loaded.Worker.StopTimeout)
		require.True(t, worker.ReadOnly)
		require.Equal(t, types.HealthCheckTest{"CMD", "/worker", "--healthcheck", "--config", "/config.yaml"}, worker.HealthCheck.Test)
		require.Equal(t, "0.0.0.0:9464", *worker.Environment["SERIATIM_WORKER_HTTPADDRESS"])
		require.Empty(t, worker.Ports)
	}
}

// Prometheus finds the workers of either profile, on the port that they serve.
func TestPrometheusScrapesTheWorkers(t *testing.T) {
	t.Parallel()
	var file struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal([]byte(read(t, "deploy/observability/compose.yml")), &file))
	require.Equal(t, []string{"worker", "worker-dev"}, file.ScrapeConfigs[0].DNS[0].Names)
	require.Equal(t, 9464, file.ScrapeConfigs[0].DNS[0].Port)
	require.Equal(t, []string{"alerts.yml"}, file.RuleFiles)
	services := load(t, all).Services
	for _, name := range file.ScrapeConfigs[0].DNS[0].Names {
		require.Contains(t, services, name)
	}
	require.Contains(t, services["prometheus"].Command, "--config.file="+services["prometheus"].Volumes[0].Target+"/compose.yml")
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

// The server's template gives each of its four services pools of 20 and 10.
func TestPostgresTakesEveryConnectionOfTheServer(t *testing.T) {
	t.Parallel()
	services := load(t).Services
	require.NotContains(t, services["temporal"].Environment, "SQL_MAX_CONNS")
	_, setting, found := strings.Cut(strings.Join(services["postgres"].Command, " "), "max_connections=")
	require.True(t, found)
	allowed, err := strconv.Atoi(setting)
	require.NoError(t, err)
	require.Greater(t, allowed, 4*(20+10))
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

	require.Equal(t, protocol.SearchAttributes(), attributes(`--name (\S+) --type (\S+)`, calls[5]))
}

func attributes(pattern, line string) map[string]string {
	found := map[string]string{}
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(line, -1) {
		found[match[1]] = match[2]
	}
	return found
}

func TestDevServerHasSearchAttributesAndLimits(t *testing.T) {
	t.Parallel()
	line := strings.Join(load(t, all).Services["temporal-dev"].Command, " ")
	require.Equal(t, protocol.SearchAttributes(), attributes(`--search-attribute=(\w+)=(\w+)`, line))
	for key, value := range attributes(`--dynamic-config-value=([\w.]+)=(\w+)`, line) {
		require.Equal(t, embedded.DefaultDynamicConfig()[key], value, key)
		require.Contains(t, read(t, "deploy/dynamicconfig.yaml"), key+":\n")
	}
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
