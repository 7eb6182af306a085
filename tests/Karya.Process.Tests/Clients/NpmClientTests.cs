using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Karya.Process.Tests.Clients;

/// <summary>The published npm package <c>karya-client</c> 1.1.7, unmodified, against a real node process.</summary>
[Trait("Needs", "process")]
public sealed class NpmClientTests
{
    private static readonly TimeSpan InstallMax = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan ScriptMax = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task The_published_JavaScript_client_drives_a_node()
    {
        using var data = new DataDirectory();
        using var workspace = new DataDirectory();
        await using var sink = await Sink.StartAsync();
        await using var node = await NodeProcess.StartAsync(data.Path);
        await File.WriteAllTextAsync(
            Path.Combine(workspace.Path, "package.json"), """{"type":"module","private":true}""",
            TestContext.Current.CancellationToken);
        File.Copy(
            Path.Combine(AppContext.BaseDirectory, "Clients", "drive-node.mjs"),
            Path.Combine(workspace.Path, "drive-node.mjs"));
        await RunAsync("npm", ["install", "--no-audit", "--no-fund", "karya-client@1.1.7"], workspace.Path, InstallMax);

        string json = await RunAsync(
            "node", ["drive-node.mjs", node.Http.ToString(), sink.Authority], workspace.Path, ScriptMax);

        using var seen = JsonDocument.Parse(json);
        Judge(seen.RootElement, sink);
    }

    private static void Judge(JsonElement seen, Sink sink)
    {
        string user = Text(seen, "user", "id");
        Assert.Equal("mira smith & co", Text(seen, "user", "name"));
        Assert.Equal(user, Text(seen, "found", "id"));
        Assert.Equal("404 User (nobody) not found", Text(seen, "unknownUser"));

        Assert.Equal("CREATED", Text(seen, "oneTime", "status"));
        long createdMs = At(seen, "oneTime", "created_at").GetInt64();
        var task = Assert.Single(At(seen, "oneTimeDone", "tasks").EnumerateArray());
        Assert.Equal("SUCCESS", Text(task, "status"));
        Assert.Contains(sink.Arrivals, a => a.Plan == Text(seen, "oneTime", "id") && a.AtMs >= createdMs + 200);

        var runs = At(seen, "recurringDone", "tasks").EnumerateArray().ToList();
        Assert.Equal(3, runs.Count); // Due 500, 1,000 and 1,500 ms after the submit; the window is 1,950 ms.
        Assert.All(runs, run => Assert.Equal("SUCCESS", Text(run, "status")));
        Assert.Equal(500, Due(runs[1]) - Due(runs[0]));
        Assert.Equal(500, Due(runs[2]) - Due(runs[1]));
        Assert.Equal("RUNNING", Text(seen, "unboundedRunning", "plan", "status"));
        Assert.Equal("CANCELLED", Text(seen, "unboundedCancelled", "status"));

        Assert.Equal("FAILURE", Text(Assert.Single(At(seen, "hookedDone", "tasks").EnumerateArray()), "status"));
        var errors = At(seen, "hookedDone", "error_logs").EnumerateArray().Select(log => Text(log, "error")).ToList();
        Assert.Contains(errors, error => error.StartsWith("REST call failed --- [503 | ", StringComparison.Ordinal));
        Assert.Contains(errors, error => error.Contains("connectors.slack.token", StringComparison.Ordinal));

        Assert.Equal(Text(seen, "chainedDone", "plan", "id"), Text(seen, "child", "parent_plan_id"));
        Assert.Equal("CREATED", Text(seen, "child", "status"));
        Assert.Equal("CANCELLED", Text(seen, "childAfterCancel", "plan", "status"));
        Assert.Equal("CANCELLED", Text(seen, "childAfterCancel", "latest_task", "status"));

        Assert.Equal("CREATED", Text(seen, "waitingGet", "latest_task", "status"));
        long waitingMs = At(seen, "waiting", "created_at").GetInt64() + (60 * 60 * 1000);
        Assert.Equal(waitingMs, At(seen, "waitingGet", "latest_task", "next_execution_at").GetInt64());
        Assert.Equal("PT2H", Text(seen, "updated", "period_time"));
        Assert.Equal(5, At(seen, "updated", "max_failure_retry").GetInt32());
        Assert.Equal("CANCELLED", Text(seen, "cancelled", "status"));
        var cancelled = Assert.Single(At(seen, "cancelledSummary", "tasks").EnumerateArray());
        Assert.Equal("CANCELLED", Text(cancelled, "status"));

        Assert.Equal(7, At(seen, "list", "total").GetInt32());
        Assert.Equal(7, At(seen, "list", "plans").GetArrayLength());
        Assert.Equal(0, At(seen, "secondPage", "plans").GetArrayLength());
        Assert.Equal("400 Chained requests cannot be recurring", Text(seen, "recurringChained"));
        Assert.Equal("404 Plan not found --- 00000000-0000-0000-0000-000000000000", Text(seen, "unknownPlan"));
    }

    private static long Due(JsonElement task) => task.GetProperty("next_execution_at").GetInt64();

    private static string Text(JsonElement element, params string[] path) => At(element, path).GetString()!;

    private static JsonElement At(JsonElement element, params string[] path) =>
        path.Aggregate(element, (at, name) => at.GetProperty(name));

    private static async Task<string> RunAsync(string program, string[] arguments, string folder, TimeSpan timeMax)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = System.Diagnostics.Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        try
        {
            await process.WaitForExitAsync().WaitAsync(timeMax);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }

        Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}.\n{await output}\n{await errors}");
        return await output;
    }
}
