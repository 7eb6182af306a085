using Karya.Client.Tests.Fakes;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Connections;

/// <summary>A request about a plan goes straight to the node that has it.</summary>
public sealed class RoutingTests : IAsyncDisposable
{
    private readonly FakeNode _node = new();
    private readonly FakeNode _owner = new();
    private readonly KaryaClient _client;

    public RoutingTests()
    {
        NodeEndpoint here = new("127.0.0.1", _node.Port), there = new("127.0.0.1", _owner.Port);
        (_node.MapNodes, _node.Owner) = ([here, there], 1);
        (_owner.MapNodes, _owner.Owner) = ([there, here], 0);
        _client = _node.Client();
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
        await _owner.DisposeAsync();
    }

    [Fact]
    public async Task The_first_request_goes_to_any_node_and_the_next_ones_to_the_owner()
    {
        var (_, owner) = await RoutedAsync();

        var cancelling = _client.CancelAsync(Samples.PlanId);
        await owner.AnswerAsync<CancelRequest, CancelReply>(new CancelReply(Samples.Snapshot(PlanStatus.Cancelled)));
        await cancelling.Soonly();
        var submitting = _client.SubmitAsync(Samples.Plan with { Id = Guid.CreateVersion7() });
        await owner.AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());
        await submitting.Soonly();
    }

    [Fact]
    public async Task What_is_about_no_plan_stays_with_the_first_node()
    {
        var (first, _) = await RoutedAsync();

        var creating = _client.CreateUserAsync("ada");
        await first.ExpectAsync<CreateUserRequest>();
        var submitting = _client.SubmitAsync(Samples.Plan);
        await first.AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());
        await submitting.Soonly();
        Assert.False(creating.IsCompleted);
    }

    [Fact]
    public async Task When_the_connection_to_the_owner_ends_a_request_is_sent_to_any_node()
    {
        var (first, owner) = await RoutedAsync();

        var getting = _client.GetAsync(Samples.PlanId);
        await owner.ExpectAsync<GetRequest>();
        await owner.DisposeAsync();
        await first.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());
        Assert.NotNull(await getting.Soonly());
    }

    [Fact]
    public async Task An_owner_that_cannot_be_reached_is_not_waited_for()
    {
        await _owner.DisposeAsync();
        var getting = _client.GetAsync(Samples.PlanId);
        var first = await _node.AcceptAsync();
        await first.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());
        await getting.Soonly();
        await _client.Link.Routes.WhenQuietAsync().Soonly();

        var again = _client.GetAsync(Samples.PlanId);
        await first.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());
        Assert.NotNull(await again.Soonly());
    }

    /// <summary>Asks once by the first node, and waits until there is a connection to the owner.</summary>
    private async Task<(FakeConnection First, FakeConnection Owner)> RoutedAsync()
    {
        await _client.PingAsync().Soonly();
        var first = await _node.AcceptAsync();
        var getting = _client.GetAsync(Samples.PlanId);
        await first.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());
        await getting.Soonly();
        var owner = await _owner.AcceptAsync();
        await _client.Link.Routes.WhenQuietAsync().Soonly();
        return (first, owner);
    }
}
