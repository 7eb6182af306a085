using Xunit;

namespace Karya.Node.Tests.Http.V1;

public sealed class UpdateTests
{
    private const string Id = "0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11";

    [Theory]
    [InlineData(
        """{"plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11","period_time":"PT1M"}""", "PT1M", 60_000L, null, null)]
    [InlineData(
        """{"plan_id":"0D4F9F0C-3f3e-4f7a-8a9c-6f2f6d0b7c11","period_time":null,"max_failure_retry":4,"hooks":null}""",
        null, null, 4, null)]
    [InlineData(
        """{"max_failure_retry":"4","period_time":"P1D","hooks":[],"plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11"}""",
        "P1D", 86_400_000L, 4, 0)]
    [InlineData("""{"plan_id":"0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11"}""", null, null, null, null)]
    public async Task Absent_and_null_keep_what_is_there(
        string body, string? periodText, long? periodMs, int? retriesMax, int? hookCount)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);
        await host.PostAsync("/v1/plan", Requests.NightlyPing);

        var reply = await host.PatchAsync("//v1/plan", body);

        Assert.Equal(200, reply.Status);
        Assert.EndsWith("\"updated_at\":1795400010001}", reply.Text, StringComparison.Ordinal);
        Assert.Equal(periodText, desk.Change!.PeriodText);
        Assert.Equal(periodMs, desk.Change.PeriodMs);
        Assert.Equal(retriesMax, desk.Change.RetriesMax);
        Assert.Equal(hookCount, desk.Change.Hooks?.Count);
    }

    [Theory]
    [InlineData("""{"period_time":"PT1M"}""")]
    [InlineData("""{"plan_id":"0D4F9F0C-3F3E-4F7A-8A9C-6F2F6D0B7C11","period_time":"PT1M"}""")]
    [InlineData("""{"plan_id":null,"period_time":"PT1M"}""")]
    public async Task The_plan_may_be_named_by_the_path(string body)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        await host.PostAsync("/v1/plan", Requests.NightlyPing);

        var reply = await host.PatchAsync($"/v1/plan/{Id}", body);

        Assert.Equal(200, reply.Status);
        Assert.Contains("\"period_time\":\"PT1M\"", reply.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/plan", """{"period_time":"PT1M"}""", "plan_id is missing")]
    [InlineData("/v1/plan", """{"plan_id":null}""", "plan_id is null; it must be a string")]
    [InlineData("/v1/plan", """{"plan_id":"{0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11}"}""", "plan_id is \"{0d4f9f0c")]
    [InlineData("/v1/plan/" + Id, """{"plan_id":"5b0f5a0e-6d55-4d0e-9a55-2b4c8a3a7f10"}""", "but the path names")]
    [InlineData("/v1/plan/x", "{}", "plan_id is \"x\"")]
    [InlineData("/v1/plan/" + Id, """{"period_time":"P1M"}""", "months and years have no fixed length")]
    [InlineData("/v1/plan/" + Id, """{"period_time":"PT0S"}""", "at least one millisecond")]
    [InlineData("/v1/plan/" + Id, """{"period_time":5}""", "period_time is \"5\"; it must be a string")]
    [InlineData("/v1/plan/" + Id, """{"max_failure_retry":""}""", "max_failure_retry is \"\"")]
    [InlineData("/v1/plan/" + Id, """{"hooks":{}}""", "hooks is an object; it must be a list")]
    [InlineData("/v1/plan/" + Id, """{"hooks":[7]}""", "hooks[0] must be an object")]
    [InlineData("/v1/plan/" + Id, "[]", "must be a JSON object")]
    public async Task A_bad_update_is_refused_and_changes_nothing(string path, string body, string text)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PatchAsync(path, body);

        Assert.Equal(400, reply.Status);
        Assert.Contains(text, reply.Text, StringComparison.Ordinal);
        Assert.Equal(0, desk.Calls);
    }

    [Fact]
    public async Task An_unknown_plan_is_a_404_with_its_id_in_lower_case()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PatchAsync("/v1/plan", """{"plan_id":"0D4F9F0C-3F3E-4F7A-8A9C-6F2F6D0B7C11"}""");

        Assert.Equal(404, reply.Status);
        Assert.Equal($"Plan not found --- {Id}", reply.Text);
    }

    [Fact]
    public async Task Hooks_that_come_later_keep_to_the_rules_of_chains()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk, depthMax: 1);
        string deep = Requests.Chained(Requests.WithAction(Requests.Chained(Requests.Smallest)));

        var reply = await host.PatchAsync(
            $"/v1/plan/{Id}", $$"""{"hooks":[{"trigger":"ON_FAILURE","action":{{deep}}}]}""");

        Assert.Equal(400, reply.Status);
        Assert.Equal("Depth exceeded for chained request --- passed: 2 | allowed: 1", reply.Text);
        Assert.Equal(0, desk.Calls);
    }
}
