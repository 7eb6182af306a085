using System.Diagnostics;
using System.Net;
using Karya.Process.Tests.Shell;
using Xunit;

namespace Karya.Process.Tests;

/// <summary><c>karya run</c> as an operator meets it.</summary>
[Trait("Needs", "process")]
public sealed class CommandTests
{
    [Fact]
    public async Task A_node_that_is_told_to_stop_ends_cleanly_and_its_plans_are_there_after_the_restart()
    {
        using var data = new DataDirectory();
        string plan;
        await using (var first = await NodeProcess.StartAsync(data.Path))
        {
            using var client = new V1Client(first.Http);
            string user = await client.CreateUserAsync("u");
            (plan, _) = await client.SubmitAsync(user, "127.0.0.1:1/x", TimeSpan.FromHours(1));
            first.Signal("TERM");
            Assert.Equal(0, await first.WaitForExitAsync());
        }

        await using var second = await NodeProcess.StartAsync(data.Path);
        using var again = new V1Client(second.Http);
        using var answer = await again.GetAsync($"/v1/plan/{plan}");
        Assert.Equal("CREATED", answer.RootElement.GetProperty("plan").GetProperty("status").GetString());
    }

    [Fact]
    public async Task A_stop_lets_a_running_attempt_finish_and_repeats_nothing()
    {
        using var data = new DataDirectory();
        await using var sink = await Sink.StartAsync();
        await using (var first = await NodeProcess.StartAsync(data.Path))
        {
            using var client = new V1Client(first.Http);
            string user = await client.CreateUserAsync("u");
            for (int i = 0; i < 50; i++)
                await client.SubmitAsync(user, $"{sink.Authority}/ok", TimeSpan.FromMilliseconds(300));
            first.Signal("TERM");
            Assert.Equal(0, await first.WaitForExitAsync());
        }

        await using var second = await NodeProcess.StartAsync(data.Path);
        var limit = Stopwatch.StartNew();
        while (sink.Arrivals.Count < 50 && limit.Elapsed < TimeSpan.FromSeconds(20))
            await Task.Delay(20, TestContext.Current.CancellationToken);
        second.Signal("TERM");
        Assert.Equal(0, await second.WaitForExitAsync());
        Assert.Equal(50, sink.Arrivals.Select(arrival => arrival.Task).Distinct().Count());
        Assert.Equal(50, sink.Arrivals.Count);
    }

    [Fact]
    public async Task A_second_node_on_the_same_file_says_so_and_ends()
    {
        using var data = new DataDirectory();
        await using var first = await NodeProcess.StartAsync(data.Path);
        await using var second = NodeProcess.Launch(
            ["run", "--data", data.Path], ("KARYA_HTTP__LISTEN", "127.0.0.1:0"),
            ("KARYA_TCP__LISTEN", "127.0.0.1:0"));
        Assert.Equal(1, await second.WaitForExitAsync());
        Assert.Contains("karya.db", second.Errors, StringComparison.Ordinal);
        Assert.Contains(first.Id.ToString(), second.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_mistakes_in_a_configuration_are_reported_with_their_lines_and_nothing_starts()
    {
        using var data = new DataDirectory();
        string file = Path.Combine(data.Path, "node.yml");
        await File.WriteAllTextAsync(
            file, "http:\n  lisen: 127.0.0.1:0\nengine:\n  partitions: many\n", TestContext.Current.CancellationToken);
        await using var node = NodeProcess.Launch(["run", "--data", data.Path, "--config", file]);
        Assert.Equal(2, await node.WaitForExitAsync());
        Assert.Contains("node.yml:2", node.Errors, StringComparison.Ordinal);
        Assert.Contains("http.listen", node.Errors, StringComparison.Ordinal);
        Assert.Contains("node.yml:4", node.Errors, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(data.Path, "karya.db")));
    }

    [Fact]
    public async Task The_demo_fires_every_kind_of_plan_and_prints_how_late_each_was()
    {
        using var data = new DataDirectory();
        await using var node = await NodeProcess.StartDemoAsync(data.Path);
        string[] wanted = ["one-time", "recurring", "attempt 1 of 3", "chained"];
        var limit = Stopwatch.StartNew();
        while (!wanted.All(text => node.Output.Contains(text, StringComparison.Ordinal))
            && limit.Elapsed < TimeSpan.FromSeconds(15))
        {
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        Assert.All(wanted, text => Assert.Contains(text, node.Output, StringComparison.Ordinal));
        Assert.Contains("ms late", node.Output, StringComparison.Ordinal);

        var list = await Capture.RunAsync("list", "--server", $"karya://{node.Tcp}");
        Assert.Equal(0, list.ExitCode);
        Assert.Contains("one-time, in 2 s", list.Output, StringComparison.Ordinal);

        var unnamed = await Capture.RunAsync(
            "submit", "http", "GET", "http://127.0.0.1:1/", "--in", "1ms", "--server", $"karya://{node.Tcp}");
        Assert.Equal(0, unnamed.ExitCode);
        string id = unnamed.Output.Split(' ')[1];
        await node.WaitForOutputAsync($"late  plan {id} (occurrence 1");
    }

    [Fact]
    public async Task A_node_answers_probes_from_the_start()
    {
        using var data = new DataDirectory();
        await using var node = await NodeProcess.StartAsync(data.Path);
        using var http = new HttpClient { BaseAddress = node.Http };
        foreach (string path in new[] { "/livez", "/readyz", "/healthz", "/metrics", "/" })
        {
            using var answer = await http.GetAsync(path, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
    }
}
