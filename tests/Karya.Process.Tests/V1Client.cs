using System.Net;
using System.Text;
using System.Text.Json;
using Xunit;

namespace Karya.Process.Tests;

/// <summary>The few calls of <c>/v1</c> that the fault tests need.</summary>
internal sealed class V1Client(Uri node) : IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = node, Timeout = TimeSpan.FromSeconds(15) };

    public async Task<string> CreateUserAsync(string name)
    {
        using var answer = await PostAsync("/v1/user", JsonSerializer.Serialize(new { name }));
        return answer.RootElement.GetProperty("id").GetString()!;
    }

    /// <param name="endAtMs">Null for a one-time plan.</param>
    public async Task<(string Id, long CreatedMs)> SubmitAsync(
        string user, string target, TimeSpan period, int retries = 0, long? endAtMs = null)
    {
        object type = endAtMs is null
            ? new { type = "karya.core.entities.PlanType.OneTime" }
            : new { type = "karya.core.entities.PlanType.Recurring", end_at = endAtMs };
        string body = JsonSerializer.Serialize(new
        {
            user_id = user,
            description = "fault test",
            period_time = FormattableString.Invariant($"PT{period.TotalSeconds}S"),
            plan_type = type,
            action = new { type = "karya.core.entities.Action.RestApiRequest", base_url = target, timeout = 5000 },
            max_failure_retry = retries,
        });
        using var answer = await PostAsync("/v1/plan", body);
        var plan = answer.RootElement;
        return (plan.GetProperty("id").GetString()!, plan.GetProperty("created_at").GetInt64());
    }

    public async Task CancelAsync(string plan) => (await PostAsync($"/v1/plan/{plan}", "")).Dispose();

    public async Task<JsonDocument> GetAsync(string path)
    {
        using var answer = await _http.GetAsync(path);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"GET {path}: {(int)answer.StatusCode} {text}");
        return JsonDocument.Parse(text);
    }

    public void Dispose() => _http.Dispose();

    private async Task<JsonDocument> PostAsync(string path, string json)
    {
        using var content = new StringContent(json, Encoding.UTF8, "application/json");
        using var answer = await _http.PostAsync(path, content);
        string text = await answer.Content.ReadAsStringAsync();
        if (answer.StatusCode != HttpStatusCode.OK)
            throw new HttpRequestException($"POST {path}: {(int)answer.StatusCode} {text}", null, answer.StatusCode);
        return JsonDocument.Parse(text);
    }
}
