using System.Globalization;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace Karya.LoadTests;

/// <summary>How a submit ended, as far as the driver can know.</summary>
internal enum SubmitOutcome
{
    Acknowledged,

    /// <summary>An answer that is not a success: the node does not have the plan.</summary>
    Refused,

    /// <summary>No answer: the node may or may not have it.</summary>
    Unknown,
}

/// <summary>The few calls of the <c>/v1</c> API that the driver needs.</summary>
internal sealed class NodeApi(Uri node, int connectionsMax) : IDisposable
{
    private readonly HttpClient _http = new(new SocketsHttpHandler
    {
        MaxConnectionsPerServer = connectionsMax,
        UseProxy = false,
    })
    {
        BaseAddress = node,
        Timeout = TimeSpan.FromSeconds(30),
    };

    public async Task<string> CreateUserAsync(string name)
    {
        using var response = await _http.PostAsJsonAsync("/v1/user", new { name });
        response.EnsureSuccessStatusCode();
        using var user = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync());
        return user.RootElement.GetProperty("id").GetString()!;
    }

    /// <summary>Submits a one-time plan that calls <paramref name="targetUrl"/> (without a scheme).</summary>
    /// <returns>With <see cref="SubmitOutcome.Acknowledged"/> when it is due, milliseconds since 1970 UTC.</returns>
    public async Task<(SubmitOutcome Outcome, long DueMs)> SubmitAsync(
        string userId, string targetUrl, TimeSpan dueAfter)
    {
        string period = dueAfter.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
        string plan =
            $$$"""
            {"user_id":"{{{userId}}}","description":"load","period_time":"PT{{{period}}}S",
             "plan_type":{"type":"karya.core.entities.PlanType.OneTime"},
             "action":{"type":"karya.core.entities.Action.RestApiRequest","base_url":"{{{targetUrl}}}","method":"POST"}}
            """;

        try
        {
            using var content = new StringContent(plan, Encoding.UTF8, "application/json");
            using var response = await _http.PostAsync("/v1/plan", content);
            if (!response.IsSuccessStatusCode)
                return (SubmitOutcome.Refused, 0);

            using var answer = await JsonDocument.ParseAsync(await response.Content.ReadAsStreamAsync());
            long createdMs = answer.RootElement.GetProperty("created_at").GetInt64();
            return (SubmitOutcome.Acknowledged, createdMs + (long)dueAfter.TotalMilliseconds);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException)
        {
            return (SubmitOutcome.Unknown, 0);
        }
    }

    public void Dispose() => _http.Dispose();
}
