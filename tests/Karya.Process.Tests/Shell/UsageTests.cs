using Xunit;

namespace Karya.Process.Tests.Shell;

/// <summary>Wrong command lines: all mistakes on stderr, nothing on stdout, exit code 2.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData("--in: '5' is not a duration", "submit", "task", "a", "--in", "5")]
    [InlineData("--at: 'now' is not an instant", "submit", "task", "a", "--at", "now")]
    [InlineData("--in and --every do not go together", "submit", "task", "a", "--in", "5s", "--every", "5s")]
    [InlineData("--tz belongs to --cron", "submit", "task", "a", "--tz", "UTC")]
    [InlineData("--first belongs to --every", "submit", "task", "a", "--first", "2026-12-01T08:00:00Z")]
    [InlineData("--until belongs to --every or --cron", "submit", "task", "a", "--until", "2026-12-01T08:00:00Z")]
    [InlineData("--data is not JSON", "submit", "task", "a", "--data", "{")]
    [InlineData("'A' is no task name", "submit", "task", "A")]
    [InlineData("the file 'gone.json' cannot be read", "submit", "task", "a", "--data", "@gone.json")]
    [InlineData("'x' is no header", "submit", "http", "GET", "http://h/", "--header", "x")]
    [InlineData("--timeout says how long --wait waits", "submit", "task", "a", "--timeout", "5s")]
    [InlineData("--every: Must be more than 0 and at most 100 years.", "submit", "task", "a", "--every", "0s")]
    [InlineData("what to submit is missing", "submit")]
    [InlineData("--file and --from-jsonl do not go together", "submit", "-f", "a", "--from-jsonl", "b")]
    [InlineData("'x' is no id", "get", "x")]
    [InlineData("'x' is no id", "cancel", "x")]
    [InlineData("'lost' is none of created, running, completed, cancelled", "list", "--status", "lost")]
    [InlineData("--limit: '0' must be a whole number from 1", "list", "--limit", "0")]
    [InlineData("--limit and --all do not go together", "list", "--limit", "5", "--all")]
    [InlineData("--output: 'xml' is none of table, json and jsonl", "stats", "-o", "xml")]
    [InlineData("--server: Node 1 of the server address", "stats", "--server", "localhost:0")]
    [InlineData("nobody is there to ask", "cancel",
        "01a20a7b-5d5f-7000-aae0-21f5763fed03", "01a20a7b-5d5f-7000-aae0-21f5763fed04")]
    public async Task A_mistake_is_told_with_advice(string mistake, params string[] arguments)
    {
        var run = await Capture.RunAsync(arguments);
        Assert.Equal(2, run.ExitCode);
        Assert.Equal("", run.Output);
        Assert.StartsWith("error: ", run.Errors, StringComparison.Ordinal);
        Assert.Contains(mistake, run.Errors, StringComparison.Ordinal);
        Assert.Contains("\n  try: ", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_mistakes_are_told_at_once()
    {
        var run = await Capture.RunAsync("submit", "task", "a", "--in", "5", "--at", "x", "-o", "xml");
        Assert.Equal(3, run.Errors.Split("error: ").Length - 1);
        Assert.Contains("try: karya submit task --help", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_node_at_the_address_is_exit_code_3()
    {
        var run = await Capture.RunAsync("stats", "--server", "127.0.0.1:1");
        Assert.Equal((3, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("error: No node answers. 127.0.0.1:1", run.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_says_no_cancels_nothing()
    {
        string[] ids = ["01a20a7b-5d5f-7000-aae0-21f5763fed03", "01a20a7b-5d5f-7000-aae0-21f5763fed04"];
        var run = await Capture.RunAsync(TimeProvider.System, "n", ["cancel", .. ids, "--server", "127.0.0.1:1"]);
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.Equal("cancel 2 plans? [y/N] ", run.Errors);
    }
}
