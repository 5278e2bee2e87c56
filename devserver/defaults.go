package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/dynamicconfig"
)

// defaultDynamicConfig is what this server sets unless --dynamic-config-value
// says otherwise; the values are JSON.
var defaultDynamicConfig = map[string]string{
	// The server's default of 20 polls a second makes every hop of a serial
	// chain cost 50 ms on a server with one shard.
	"history.transferProcessorMaxPollRPS": "2000",
	// By default one write at a time passes the shard, and what retention deletes
	// passes last: under a steady load its turn hardly comes, each try loads the
	// workflow anew and gives up after three seconds, and the database grows for
	// good. The database's own queue is fair.
	"history.shardIOConcurrency": "16",
	// The length that SQL deployments need; the default of 1000 would hide
	// ids that are too long until they reach such a deployment.
	"limit.maxIDLength": "255",
	// A server on a loopback address has nothing to report and nobody to ask.
	"frontend.enableServerVersionCheck": "false",
	// Search attributes and Nexus endpoints are visible as soon as they are
	// added. That takes the caches away, so the query limits go up.
	"system.forceSearchAttributesCacheRefreshOnRead": "true",
	"system.forceNexusEndpointRefreshOnRead":         "true",
	"frontend.persistenceMaxQPS":                     "10000",
	"history.persistenceMaxQPS":                      "45000",
	// The host-level cache of workflow states is meant for large hosts.
	"history.hostLevelCacheMaxSize": "8096",
	// Ten list calls a second are soon used up by tests that poll.
	"frontend.namespaceRPS.visibility": "100",
}

// defaultSearchAttributes are registered in every namespace that this server
// registers, as Seriatim's workflows set them.
var defaultSearchAttributes = map[string]enumspb.IndexedValueType{
	"DependencyToken": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"OperationType":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"OperationStatus": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"OperationOwner":  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"CorrelationId":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"RegardingObject": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
	"PostponeUntil":   enumspb.INDEXED_VALUE_TYPE_DATETIME,
	"QueueDepth":      enumspb.INDEXED_VALUE_TYPE_INT,
}

// parseDynamicConfig returns the defaults overridden by values of the form
// KEY=JSON.
func parseDynamicConfig(values []string) (dynamicconfig.StaticClient, error) {
	client := make(dynamicconfig.StaticClient, len(defaultDynamicConfig)+len(values))
	set := func(key, text string) error {
		value, err := parseJSON(text)
		if err != nil {
			return fmt.Errorf("--dynamic-config-value %s: the value %q is not JSON: %w", key, text, err)
		}
		client[dynamicconfig.MakeKey(key)] = value
		return nil
	}
	for key, text := range defaultDynamicConfig {
		if err := set(key, text); err != nil {
			return nil, err
		}
	}
	for _, pair := range values {
		key, text, found := strings.Cut(pair, "=")
		if !found || key == "" {
			return nil, fmt.Errorf("--dynamic-config-value %q: want KEY=JSON, such as limit.maxIDLength=255", pair)
		}
		if err := set(key, text); err != nil {
			return nil, err
		}
	}
	return client, nil
}

// parseJSON decodes one JSON value. Whole numbers become int, because the
// server takes no other type for its integer settings.
func parseJSON(text string) (any, error) {
	var value any
	decoder := json.NewDecoder(bytes.NewBufferString(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, fmt.Errorf("text after the value")
	}
	number, ok := value.(json.Number)
	if !ok {
		return value, nil
	}
	if whole, err := number.Int64(); err == nil {
		return int(whole), nil
	}
	return number.Float64()
}

// parseSearchAttributes returns the defaults and those given as NAME=TYPE.
// The case of TYPE does not matter. It is an error to give a default one
// another type, since Seriatim's workflows could then not set it.
func parseSearchAttributes(values []string) (map[string]enumspb.IndexedValueType, error) {
	attributes := make(map[string]enumspb.IndexedValueType, len(defaultSearchAttributes)+len(values))
	for name, valueType := range defaultSearchAttributes {
		attributes[name] = valueType
	}
	for _, pair := range values {
		name, typeName, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--search-attribute %q: want NAME=TYPE, such as Customer=Keyword", pair)
		}
		valueType, err := searchAttributeType(typeName)
		if err != nil {
			return nil, fmt.Errorf("--search-attribute %s: %w", name, err)
		}
		if known, ok := attributes[name]; ok && known != valueType {
			return nil, fmt.Errorf("--search-attribute %s: the type is %s, not %s", name, known, valueType)
		}
		attributes[name] = valueType
	}
	return attributes, nil
}

func searchAttributeType(name string) (enumspb.IndexedValueType, error) {
	for known, value := range enumspb.IndexedValueType_shorthandValue {
		if value != 0 && strings.EqualFold(known, name) {
			return enumspb.IndexedValueType(value), nil
		}
	}
	return 0, fmt.Errorf("unknown type %q: one of Text, Keyword, Int, Double, Bool, Datetime, KeywordList", name)
}
