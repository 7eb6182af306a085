using Karya.Node.Plans;
using Karya.Node.Tests.Http.V1;
using Xunit;

namespace Karya.Node.Tests.Http;

public sealed class DeskRefusalTests
{
    [Theory]
    [InlineData(DeskError.Invalid, 400, "INVALID", null)]
    [InlineData(DeskError.Overloaded, 503, "OVERLOADED", "1")]
    [InlineData(DeskError.Unavailable, 503, "UNAVAILABLE", "1")]
    [InlineData(DeskError.Unknown, 503, "OUTCOME_UNKNOWN", null)]
    public async Task Each_refusal_has_its_status_in_both_apis(
        DeskError error, int status, string code, string? retryAfter)
    {
        var desk = new FakeDesk { Refusal = new DeskException(error, "Because of the test.") };
        await using var host = await ApiHost.StartAsync(desk);
        host.DeadLetters.Refusal = desk.Refusal;

        var reply = await host.PostAsync("/v1/plan", Requests.NightlyPing);
        var problem = await host.GetAsync("/api/dead-letters");

        Assert.Equal(status, reply.Status);
        Assert.Equal("text/plain; charset=UTF-8", reply.Header("Content-Type"));
        Assert.EndsWith("Because of the test.", reply.Text, StringComparison.Ordinal);
        Assert.Equal(retryAfter, reply.Header("Retry-After"));
        Assert.Equal(status, problem.Status);
        Assert.Contains($"\"code\":\"{code}\"", problem.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unknown_outcome_says_that_it_may_have_been_stored()
    {
        var desk = new FakeDesk { Refusal = new DeskException(DeskError.Unknown, "The store was lost.") };
        await using var host = await ApiHost.StartAsync(desk);

        var reply = await host.PostAsync("/v1/user", "{\"name\":\"x\"}");

        Assert.Contains("it may have been stored", reply.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_time_to_wait_is_rounded_up_to_seconds()
    {
        var refusal = new DeskException(DeskError.Overloaded, "Full.", TimeSpan.FromMilliseconds(2100));
        await using var host = await ApiHost.StartAsync(new FakeDesk { Refusal = refusal });

        Assert.Equal("3", (await host.GetAsync("/v1/user?username=x")).Header("Retry-After"));
    }

    [Fact]
    public async Task An_unknown_owner_is_a_404_with_the_text_of_the_original()
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.PostAsync(
            "/v1/plan", Requests.With("user_id", "\"00000000-0000-4000-8000-00000000ABCD\""));

        Assert.Equal(404, reply.Status);
        Assert.Equal("User (00000000-0000-4000-8000-00000000abcd) not found", reply.Text);
    }

    [Theory]
    [InlineData("GET", "/v1/plan/0D4F9F0C-3F3E-4F7A-8A9C-6F2F6D0B7C11")]
    [InlineData("POST", "/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11")]
    [InlineData("GET", "/v1/plan/0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11/summary")]
    public async Task An_unknown_plan_is_a_404_with_the_text_of_the_original(string method, string path)
    {
        await using var host = await ApiHost.StartAsync(new FakeDesk());

        var reply = await host.SendAsync(new HttpMethod(method), path, null, null);

        Assert.Equal(404, reply.Status);
        Assert.Equal("Plan not found --- 0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11", reply.Text);
    }
}
