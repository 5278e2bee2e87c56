package embedded

import enumspb "go.temporal.io/api/enums/v1"

// DefaultDynamicConfig returns the settings that the devserver has by default
// and that Start gives to a temporal program: keys to JSON values.
func DefaultDynamicConfig() map[string]string {
	return map[string]string{
		"history.transferProcessorMaxPollRPS":            "2000",
		"history.shardIOConcurrency":                     "16",
		"limit.maxIDLength":                              "255",
		"frontend.enableServerVersionCheck":              "false",
		"system.forceSearchAttributesCacheRefreshOnRead": "true",
		"system.forceNexusEndpointRefreshOnRead":         "true",
		"frontend.persistenceMaxQPS":                     "10000",
		"history.persistenceMaxQPS":                      "45000",
		"history.hostLevelCacheMaxSize":                  "8096",
		"frontend.namespaceRPS.visibility":               "100",
	}
}

// DefaultSearchAttributes returns the search attributes that Seriatim's
// workflows set, which Start registers.
func DefaultSearchAttributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{
		"DependencyToken": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"OperationType":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"OperationStatus": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"OperationOwner":  enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"CorrelationId":   enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"RegardingObject": enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		"PostponeUntil":   enumspb.INDEXED_VALUE_TYPE_DATETIME,
		"QueueDepth":      enumspb.INDEXED_VALUE_TYPE_INT,
	}
}
