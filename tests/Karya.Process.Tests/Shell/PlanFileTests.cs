using Karya.Cli;
using Karya.Cli.Plans;
using Xunit;

namespace Karya.Process.Tests.Shell;

/// <summary>Plans in files: what <c>--dry-run</c> prints is what <c>-f</c> reads.</summary>
public sealed class PlanFileTests
{
    [Theory]
    [InlineData("http", "POST", "https://h/x", "--header", "a: b", "--data", "hi", "--attempt-timeout", "2s", "--in", "90s")]
    [InlineData("task", "resize", "--data", "{\"id\":12345678901234567890}", "--key", "k", "--accepted", "--retries", "0")]
    [InlineData("task", "resize", "--every", "30s", "--first", "2026-12-01T08:00:00Z", "--until", "2027-01-01T00:00:00Z")]
    [InlineData("task", "resize", "--cron", "30 2 * * *", "--tz", "Europe/Berlin", "--name", "at \"night\"")]
    [InlineData("http", "GET", "https://h/x", "--at", "2026-12-01T08:00:00Z", "--on-failure-url", "https://h/y")]
    public async Task What_a_dry_run_prints_can_be_submitted_and_chained(params string[] arguments)
    {
        using var directory = new DataDirectory();
        string file = Path.Combine(directory.Path, "plan.json");
        var first = await Capture.RunAsync(["submit", .. arguments, "--dry-run"]);
        Assert.Equal((0, ""), (first.ExitCode, first.Errors));

        await File.WriteAllTextAsync(file, first.Output, TestContext.Current.CancellationToken);
        Assert.Equal(first, await Capture.RunAsync("submit", "-f", file, "--dry-run"));

        var chained = await Capture.RunAsync("submit", "chain", file, "--in", "1h", "--dry-run", "-o", "jsonl");
        var plan = await Capture.RunAsync("submit", "-f", file, "--dry-run", "-o", "jsonl");
        Assert.Contains("{\"chain\":" + plan.Output.TrimEnd(), chained.Output, StringComparison.Ordinal);

        await File.WriteAllTextAsync(
            file, plan.Output + "\n" + plan.Output, TestContext.Current.CancellationToken);
        var lines = await Capture.RunAsync("submit", "--from-jsonl", file, "--dry-run", "-o", "jsonl");
        Assert.Equal(plan.Output + plan.Output, lines.Output);
    }

    [Theory]
    [InlineData("[1", "p is not JSON")]
    [InlineData("1", "p: plan: must be an object, and is a number")]
    [InlineData("{}", "p: plan.action: is missing")]
    [InlineData("[{}]", "p: plan[0].action: is missing")]
    [InlineData("{'action':{}}", "p: plan.action: must have exactly one of")]
    [InlineData("{'action':{'task':{'name':'a'},'http':{'method':'GET','url':'u'}}}", "must have exactly one of")]
    [InlineData("{'action':{'tsk':{'name':'a'}}}", "p: plan.action.tsk: is unknown; did you mean task?")]
    [InlineData("{'action':{'task':{'name':'A'}}}", "p: plan.action.task: 'A' is no task name")]
    [InlineData("{'action':{'task':{'name':1}}}", "p: plan.action.task.name: must be a text, and is a number")]
    [InlineData("{'action':{'task':{'name':'a','timeout':'5'}}}", "p: plan.action.task.timeout: '5' is not a duration")]
    [InlineData("{'action':{'http':{'method':'GET','url':'u','headers':['x']}}}", "'x' is no header")]
    [InlineData("{'action':{'task':{'name':'a'}},'schedule':{'in':'1s','every':'1s'}}", "in and every do not go together")]
    [InlineData("{'action':{'task':{'name':'a'}},'schedule':{'every':'0s'}}", "every: Must be more than 0")]
    [InlineData("{'action':{'task':{'name':'a'}},'missed':'none'}", "plan.missed: 'none' is none of once, skip, all")]
    [InlineData("{'action':{'task':{'name':'a'}},'hooks':[{'on':'none'}]}", "plan.hooks[0].on: 'none' is none of failure")]
    [InlineData("{'action':{'task':{'name':'a'}},'id':'x'}", "p: plan.id:")]
    [InlineData("{'action':{'task':{'name':'a'}},'retries':1.5}", "p: plan.retries: must be a whole number")]
    public void A_mistake_is_told_with_its_place(string json, string mistake)
    {
        var thrown = Assert.Throws<UsageException>(() => PlanReader.ReadAll(json.Replace('\'', '"'), "p"));
        Assert.Contains(mistake, thrown.Message, StringComparison.Ordinal);
    }
}
