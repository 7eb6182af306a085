using System.Text.Json.Nodes;

namespace Karya.Node.Tests.Http.V1;

/// <summary>Requests as clients send them, and variations of them.</summary>
internal static class Requests
{
    public const string Rest = "\"type\":\"karya.core.entities.Action.RestApiRequest\"";

    public const string OneTime = """{"type":"karya.core.entities.PlanType.OneTime"}""";

    /// <summary>Section 3.2 of the contract: what the JavaScript client writes.</summary>
    public const string NightlyPing = """
        {
          "user_id": "5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10",
          "description": "nightly ping",
          "period_time": "PT30S",
          "plan_type": {"type": "karya.core.entities.PlanType.OneTime"},
          "action": {
            "base_url": "127.0.0.1:9000/ping?src=karya",
            "body": {"json_string": "{\"n\":1}", "type": "karya.core.entities.http.Body.JsonBody"},
            "protocol": "HTTP",
            "method": "POST",
            "headers": {"x-key": "v"},
            "timeout": 1500,
            "type": "karya.core.entities.Action.RestApiRequest"
          },
          "hooks": [{
            "trigger": "ON_FAILURE",
            "action": {"channel": "C1", "message": "[]", "type": "karya.core.entities.Action.SlackMessageRequest"},
            "max_retry": 3
          }],
          "max_failure_retry": 2
        }
        """;

    /// <summary>The answer to it.</summary>
    public static readonly string NightlyPingPlan = OneLine(
        """
        {"id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11",
        "user_id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10",
        "description":"nightly ping",
        "period_time":"PT30S",
        "type":{"type":"karya.core.entities.PlanType.OneTime"},
        "status":"CREATED",
        "max_failure_retry":2,
        "action":{"type":"karya.core.entities.Action.RestApiRequest",
          "protocol":"HTTP",
          "base_url":"127.0.0.1:9000/ping?src=karya",
          "method":"POST",
          "headers":{"x-key":"v"},
          "body":{"type":"karya.core.entities.http.Body.JsonBody","json_string":"{\"n\":1}"},
          "timeout":1500},
        "hook":[{
          "max_retry":3,
          "trigger":"ON_FAILURE",
          "action":{"type":"karya.core.entities.Action.SlackMessageRequest","channel":"C1","message":"[]"}}],
        "parent_plan_id":null,
        "created_at":1795400010000,
        "updated_at":1795400010000}
        """);

    /// <summary>Section 3.3: the smallest request.</summary>
    public const string Smallest = """
        {"user_id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10","description":"d","period_time":"pt1h",
        "plan_type":{"type":"karya.core.entities.PlanType.OneTime"},
        "action":{"type":"karya.core.entities.Action.RestApiRequest","base_url":"h/x"}}
        """;

    /// <summary>Takes line breaks and indentation out of what a test has on several lines.</summary>
    public static string OneLine(string text) =>
        string.Concat(text.Split('\n').Select(line => line.Trim()));

    /// <summary>The smallest request with one field set to some JSON, or left out when that is null.</summary>
    public static string With(string field, string? json) => Set(JsonNode.Parse(Smallest)!.AsObject(), field, json);

    /// <summary>The same for a field of its action.</summary>
    public static string WithInAction(string field, string? json)
    {
        var plan = JsonNode.Parse(Smallest)!.AsObject();
        plan["action"] = JsonNode.Parse(Set(plan["action"]!.AsObject(), field, json));
        return plan.ToJsonString();
    }

    public static string WithAction(string json) => With("action", json);

    public static string WithHook(string json) => With("hooks", $"[{json}]");

    /// <summary>A plan type that recurs, with some JSON as its end.</summary>
    public static string Recurring(string endAt) =>
        $$"""{"type":"karya.core.entities.PlanType.Recurring","end_at":{{endAt}}}""";

    /// <summary>An action that starts <paramref name="plan"/>.</summary>
    public static string Chained(string plan) =>
        $$"""{"type":"karya.core.entities.Action.ChainedRequest","request":{{plan}}}""";

    private static string Set(JsonObject parent, string field, string? json)
    {
        parent.Remove(field);
        if (json is not null)
            parent[field] = JsonNode.Parse(json);

        return parent.ToJsonString();
    }
}
