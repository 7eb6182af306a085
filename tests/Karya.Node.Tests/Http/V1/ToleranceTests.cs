using Karya.Node.Plans;
using Xunit;

namespace Karya.Node.Tests.Http.V1;

/// <summary>What clients of the original send and a strict reader would refuse.</summary>
public sealed class ToleranceTests
{
    [Theory]
    [InlineData("//v1/plan")]
    [InlineData("/v1//plan")]
    [InlineData("///v1/plan//")]
    [InlineData("/v1/plan/")]
    public async Task Repeated_and_trailing_slashes_do_not_matter(string path)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        Assert.Equal(200, (await host.PostAsync(path, Requests.NightlyPing)).Status);
    }

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/json; charset=utf-8")]
    [InlineData("Application/JSON;charset=\"UTF-8\"")]
    [InlineData("application/vnd.karya+json")]
    public async Task Json_has_several_content_types(string contentType)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(HttpMethod.Post, "/v1/user", "{\"name\":\"\"}"u8.ToArray(), contentType);

        Assert.Equal(200, reply.Status);
    }

    [Theory]
    [InlineData("\"2\"", 2)]
    [InlineData("2", 2)]
    [InlineData("-1", -1)]
    [InlineData("\"-7\"", -7)]
    [InlineData("999", 999)]
    [InlineData("0", 0)]
    public async Task Integers_may_be_quoted_and_retries_negative(string json, int retriesMax)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync("/v1/plan", Requests.With("max_failure_retry", json));

        Assert.Contains($"\"max_failure_retry\":{retriesMax},", reply.Text, StringComparison.Ordinal);
        Assert.Equal(retriesMax, desk.Submitted!.RetriesMax);
    }

    [Theory]
    [InlineData("0", 2000)]
    [InlineData("-5", 2000)]
    [InlineData("\"0\"", 2000)]
    [InlineData("1", 1)]
    [InlineData("3600000", 3_600_000)]
    public async Task A_blank_timeout_becomes_the_default_and_shows_as_it(string json, long effectiveMs)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("/v1/plan", Requests.WithInAction("timeout", json));

        Assert.Contains($"\"timeout\":{effectiveMs}}}", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_recurring_plan_without_end_has_none()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync(
            "/v1/plan", Requests.With("plan_type", """{"type":"karya.core.entities.PlanType.Recurring"}"""));

        Assert.Contains(Requests.Recurring("null"), reply.Text, StringComparison.Ordinal);
        Assert.True(desk.Submitted!.Recurring);
        Assert.Null(desk.Submitted.EndAtMs);
    }

    [Fact]
    public async Task Unknown_keys_are_ignored_and_of_repeated_keys_the_last_counts()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);
        string body = Requests.Smallest.Replace(
            "\"description\":\"d\"",
            "\"description\":7,\"status\":\"RUNNING\",\"id\":{\"a\":[1]},\"maxRetry\":9,\"description\":\"last\"",
            StringComparison.Ordinal);

        var reply = await host.PostAsync("/v1/plan", body);

        Assert.Equal(200, reply.Status);
        Assert.Equal("last", desk.Submitted!.Body.Description);
        Assert.Equal(3, desk.Submitted.RetriesMax);
    }

    [Theory]
    [InlineData("{}", "{}")]
    [InlineData("""{"A":"1","a":"2","A":"3"}""", """{"A":"3","a":"2"}""")]
    [InlineData("""{"content-type":"text/plain; q=\"ü\""}""", """{"content-type":"text/plain; q=\"ü\""}""")]
    public async Task Headers_are_kept_as_they_are(string sent, string shown)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());
        string body = Requests.Smallest.Replace(
            "\"base_url\"", $"\"headers\":{sent},\"base_url\"", StringComparison.Ordinal);

        var reply = await host.PostAsync("/v1/plan", body);

        Assert.Contains($"\"headers\":{shown},", reply.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://localhost:35423/x")]
    [InlineData("HTTPS://h")]
    [InlineData("localhost:9000/x?u=http://y")]
    [InlineData("my_host/a b")]
    [InlineData("[::1]:80/")]
    [InlineData("${env:HOST}/x")]
    public async Task A_base_url_comes_back_as_it_was_sent(string url)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync("/v1/plan", Requests.WithInAction("base_url", $"\"{url}\""));

        Assert.Contains($"\"base_url\":\"{url}\"", reply.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pt1h", 3_600_000)]
    [InlineData("PT0,5S", 500)]
    [InlineData("PT1H-30M", 1_800_000)]
    [InlineData("+PT5S", 5_000)]
    [InlineData("PT1.123456789S", 1_123)]
    [InlineData("PT0.001S", 1)]
    [InlineData("P36525D", 3_155_760_000_000)]
    public async Task A_period_is_echoed_as_it_was_sent(string text, long ms)
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync("/v1/plan", Requests.With("period_time", $"\"{text}\""));

        Assert.Contains($"\"period_time\":\"{text}\"", reply.Text, StringComparison.Ordinal);
        Assert.Equal(ms, desk.Submitted!.PeriodMs);
    }

    [Fact]
    public async Task Names_repeat_and_may_be_empty_or_long()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        foreach (string name in (string[])["", "", "x", "x", new string('ü', 4096)])
            Assert.Equal(200, (await host.PostAsync("/v1/user", $$"""{"name":"{{name}}"}""")).Status);
    }

    [Fact]
    public async Task Thirty_two_hooks_of_every_kind_are_accepted()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);
        const string Hook = """
            {"action":{"message":"m","topic":"t","type":"karya.core.entities.Action.KafkaProducerRequest"},
            "trigger":"ON_COMPLETION"}
            """;
        string hooks = $"[{string.Join(',', Enumerable.Repeat(Hook, 32))}]";

        var reply = await host.PostAsync("/v1/plan", Requests.With("hooks", hooks));

        Assert.Equal(200, reply.Status);
        Assert.Equal(32, desk.Submitted!.Body.Hooks.Count);
        Assert.Equal(new KafkaAction("t", null, "m"), desk.Submitted.Body.Hooks[31].Action);
        Assert.Equal(3, desk.Submitted.Body.Hooks[31].RetriesMax);
    }

    [Fact]
    public async Task A_base64_of_a_megabyte_fits_the_body()
    {
        var desk = new FakeDesk();
        await using var host = await ApiHost.StartAsync(desk);
        string text = new('x', 1_000_000);

        var reply = await host.PostAsync("/v1/plan", Requests.WithInAction(
            "body", $$"""{"json_string":"{{text}}","type":"karya.core.entities.http.Body.JsonBody"}"""));

        Assert.Equal(200, reply.Status);
        Assert.Equal(text, Assert.IsType<RestAction>(desk.Submitted!.Body.Action).JsonBody);
    }
}
