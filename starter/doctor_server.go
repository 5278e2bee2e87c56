package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/mod/semver"
	"google.golang.org/grpc/codes"

	"github.com/seriatim-go/seriatim/internal/attributes"
	"github.com/seriatim-go/seriatim/internal/reach"
	"github.com/seriatim-go/seriatim/protocol"
)

const (
	// oldestServer has update-with-start, which actions on tokens need.
	oldestServer = "v1.28.0"
	// shortestRetention is that of a namespace without a warning.
	shortestRetention = 24 * time.Hour
	// leastPayload is the server's default for the largest payload, in bytes.
	leastPayload = 2 << 20
	// longestID is that of the longest id, in bytes.
	longestID = 255
)

// checkConnection says whether the server may be asked at all.
func (d *doctor) checkConnection() bool {
	const check = "connection"
	address, tls := d.options.HostPort, d.options.ConnectionOptions.TLS
	switch {
	case tls == nil && d.options.Credentials != nil:
		d.fail(check, fmt.Sprintf("the API key would be sent to %s without TLS; the server was not asked", address), "leave out --tls=false, or tls.disabled in the profile")
		return false
	case tls == nil && !isLoopback(address):
		d.warn(check, fmt.Sprintf("no TLS to %s: everybody on the way can read and change operations", address), "--tls, or TEMPORAL_TLS=true, where the network is not trusted")
	case tls != nil && tls.InsecureSkipVerify:
		d.warn(check, fmt.Sprintf("TLS to %s with any certificate", address), "leave out --tls-disable-host-verification, and name the authority with --tls-ca-path")
	case tls != nil:
		d.ok(check, "TLS to "+address)
	default:
		d.ok(check, fmt.Sprintf("no TLS, and %s is this machine", address))
	}
	return true
}

func hostOf(address string) (host, port string) {
	if _, rest, ok := strings.Cut(address, ":///"); ok { // such as dns:///host:port
		address = rest
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address, ""
	}
	return host, port
}

func isLoopback(address string) bool {
	host, _ := hostOf(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func isCloud(address string) bool {
	host, _ := hostOf(address)
	return strings.HasSuffix(host, ".tmprl.cloud") || strings.HasSuffix(host, ".temporal.io")
}

// checkServer connects.
func (d *doctor) checkServer(ctx context.Context) bool {
	const check = "server"
	connection := &d.app.connection
	temporal, err := connection.dial(d.command, d.app.environment, d.app.dial)
	if err != nil {
		hint := "is it running, and is this its address? --address, TEMPORAL_ADDRESS, or a profile; for a try: make server"
		if more := reach.Hint(err, d.options.ConnectionOptions.TLS); more != "" {
			hint = more
		}
		if code := serviceerror.ToStatus(err).Code(); code == codes.Unauthenticated || code == codes.PermissionDenied {
			hint = "look at the API key or the client certificate, and whether it is for this namespace"
		}
		d.fail(check, err.Error(), hint)
		return false
	}
	d.temporal = temporal
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	info, err := temporal.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{})
	version := info.GetServerVersion()
	switch {
	case err != nil:
		d.warn(check, fmt.Sprintf("%s answers, and does not tell its version: %s", d.options.HostPort, err), "")
	case semver.IsValid("v"+version) && semver.Compare("v"+version, oldestServer) < 0:
		d.warn(check, fmt.Sprintf("Temporal %s at %s is older than %s", version, d.options.HostPort, oldestServer[1:]), "upgrade the server: actions on tokens need update-with-start")
	default:
		d.ok(check, fmt.Sprintf("Temporal %s at %s", version, d.options.HostPort))
	}
	return true
}

// checkNamespace says whether the rest can be asked.
func (d *doctor) checkNamespace(ctx context.Context) bool {
	const check = "namespace"
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	name := d.options.Namespace
	described, err := d.temporal.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: name})
	var absent *serviceerror.NamespaceNotFound
	switch {
	case errors.As(err, &absent):
		d.fail(check, fmt.Sprintf("%q is not there", name), "starter setup --create-namespace, or name another one: --namespace, TEMPORAL_NAMESPACE")
		return false
	case attributes.Denied(err):
		d.warn(check, fmt.Sprintf("%q may not be looked at: %s", name, err), "the API key or certificate needs the right to read it")
		return true
	case err != nil:
		d.fail(check, fmt.Sprintf("%q: %s", name, err), "")
		return false
	}
	if state := described.GetNamespaceInfo().GetState(); state != enumspb.NAMESPACE_STATE_REGISTERED {
		d.fail(check, fmt.Sprintf("%q is %s", name, state), "it takes no new operations: name another one with --namespace")
		return false
	}
	d.checkRetention(described.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration())
	d.checkPayloads(described.GetNamespaceInfo().GetLimits().GetBlobSizeLimitError())
	return true
}

func (d *doctor) checkRetention(retention time.Duration) {
	message := fmt.Sprintf("%q keeps completed operations for %s", d.options.Namespace, shortly(retention))
	if retention < shortestRetention {
		d.warn("namespace", message+": after that a repeated submission runs again, and nothing can be recovered or verified",
			"temporal operator namespace update --namespace "+d.options.Namespace+" --retention 72h")
		return
	}
	d.ok("namespace", message)
}

// checkPayloads looks at the largest payload, where the server tells it.
func (d *doctor) checkPayloads(largest int64) {
	if largest > 0 && largest < leastPayload {
		d.warn("limits", fmt.Sprintf("limit.blobSize.error is %d bytes: the queue of a busy token may not fit", largest), "set it to 2097152, the server's default, or more")
	}
}

// shortly is a duration without units that are 0 at its end.
func shortly(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (d *doctor) checkAttributes(ctx context.Context) {
	const check = "search attributes"
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	state, err := attributes.Read(ctx, d.temporal, d.options.Namespace, d.names)
	if err != nil {
		d.warn(check, fmt.Sprintf("they cannot be read: %s", err), "")
		return
	}
	if len(state.Wrong) > 0 {
		var wrong []string
		for _, mismatch := range state.Wrong {
			wrong = append(wrong, mismatch.String())
		}
		d.fail(check, strings.Join(wrong, ", "), "no operation can be filtered: give Seriatim's other names in the workers' searchAttributes.names, give it a namespace of its own, or rename what is there if nothing uses it")
		return
	}
	if len(state.Missing) > 0 {
		d.warn(check, "missing, so that operations cannot be filtered: "+strings.Join(state.Missing, ", "), "starter setup; then restart the workers")
		return
	}
	var early *attributes.NotYetError
	if err := attributes.Usable(ctx, d.temporal, d.options.Namespace, d.names); errors.As(err, &early) {
		d.warn(check, err.Error(), "wait some seconds; starter setup waits until they are")
		return
	} else if err != nil {
		d.warn(check, fmt.Sprintf("they are there; a query with them failed: %s", err), "")
		return
	}
	d.ok(check, fmt.Sprintf("all %d are there", len(state.Present))+namesText(d.names))
}

// namesText tells the names that are not the default ones.
func namesText(names protocol.AttributeNames) string {
	var others []string
	for _, attribute := range slices.Sorted(maps.Keys(names)) {
		if name := names.Of(attribute); name != attribute {
			others = append(others, attribute+" as "+name)
		}
	}
	if len(others) == 0 {
		return ""
	}
	return ": " + strings.Join(others, ", ")
}

// checkLimits finds out whether the longest ids fit, by a signal of that length
// to a workflow that is not there, and says where the other limits are.
func (d *doctor) checkLimits(ctx context.Context) {
	const check = "limits"
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	_, err := d.temporal.WorkflowService().SignalWorkflowExecution(ctx, &workflowservice.SignalWorkflowExecutionRequest{
		Namespace: d.options.Namespace, SignalName: strings.Repeat("x", longestID),
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "seriatim-doctor-" + uuid.NewString()},
	})
	var absent *serviceerror.NotFound
	var invalid *serviceerror.InvalidArgument
	switch {
	case errors.As(err, &invalid):
		d.fail(check, fmt.Sprintf("ids of %d bytes are refused: %s", longestID, err), fmt.Sprintf("set limit.maxIDLength to %d or more in the server's dynamic configuration", longestID))
		return
	case !errors.As(err, &absent):
		d.warn(check, fmt.Sprintf("whether ids of %d bytes are taken could not be asked: %v", longestID, err), "")
		return
	}
	f := finding{Check: check, Status: checkOK, Message: fmt.Sprintf("ids of %d bytes are taken", longestID)}
	if !isCloud(d.options.HostPort) {
		f.Message += d.shards(ctx)
		f.Hint = "not to be read from here: history.transferProcessorMaxPollRPS in the server's dynamic configuration.\n" +
			"Its default of 20 a shard lets each step of a token take 50 ms where shards are few; 2000 takes that away"
	}
	d.report(f)
}

// shards is how many history shards there are, where that may be asked.
func (d *doctor) shards(ctx context.Context) string {
	info, err := d.temporal.WorkflowService().GetClusterInfo(ctx, &workflowservice.GetClusterInfoRequest{})
	if err != nil || info.GetHistoryShardCount() == 0 {
		return ""
	}
	return fmt.Sprintf("; %s, %s", plural(int(info.GetHistoryShardCount()), "history shard"), info.GetPersistenceStore())
}

// tellWebUI says where the Web UI may be; the server does not know.
func (d *doctor) tellWebUI() {
	const check = "web ui"
	path := "/namespaces/" + d.options.Namespace + "/workflows"
	host, port := hostOf(d.options.HostPort)
	number, err := strconv.Atoi(port)
	switch {
	case isCloud(d.options.HostPort):
		d.ok(check, "https://cloud.temporal.io"+path)
	case isLoopback(d.options.HostPort) && err == nil && number+1000 <= math.MaxUint16:
		d.ok(check, fmt.Sprintf("http://%s%s with make server or temporal server start-dev", net.JoinHostPort(host, strconv.Itoa(number+1000)), path))
	default:
		d.ok(check, "the server does not tell where it is; its page is "+path)
	}
}
