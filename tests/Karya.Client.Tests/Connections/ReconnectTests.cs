using System.Net;
using System.Net.Sockets;
using Karya.Client.Connections;
using Karya.Client.Tests.Fakes;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Connections;

/// <summary>What happens to requests when connections end, and where the client goes then.</summary>
public sealed class ReconnectTests : IAsyncDisposable
{
    private readonly FakeNode _node = new();
    private readonly KaryaClient _client;

    public ReconnectTests() => _client = _node.Client();

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task A_read_is_sent_again_on_the_next_connection() =>
        Assert.NotNull(await IsSentTwiceAsync<GetRequest, PlanDetails, PlanView?>(
            client => client.GetAsync(Samples.PlanId), Samples.Details()));

    [Fact]
    public async Task A_cancellation_is_sent_again() =>
        await IsSentTwiceAsync<CancelRequest, CancelReply, PlanState>(
            client => client.CancelAsync(Samples.PlanId), new CancelReply(Samples.Snapshot(PlanStatus.Cancelled)));

    [Fact]
    public async Task An_update_is_sent_again() =>
        await IsSentTwiceAsync<UpdateRequest, PlanSnapshot, PlanState>(
            client => client.UpdateAsync(Samples.PlanId, new PlanUpdate { MaxRetries = 1 }), Samples.Snapshot());

    [Fact]
    public async Task A_plan_with_a_key_is_submitted_again() =>
        await IsSentTwiceAsync<SubmitRequest, SubmitReply, PlanHandle>(
            client => client.SubmitAsync(Samples.Plan with { IdempotencyKey = "k" }), Samples.Submitted(existed: true));

    [Fact]
    public async Task A_plan_with_an_id_is_submitted_again() =>
        await IsSentTwiceAsync<SubmitRequest, SubmitReply, PlanHandle>(
            client => client.SubmitAsync(Samples.Plan with { Id = Guid.CreateVersion7() }), Samples.Submitted());

    [Fact]
    public async Task A_plan_without_key_and_id_is_never_sent_twice_and_its_fate_is_unknown()
    {
        var e = await FailsAsync<SubmitRequest, PlanHandle>(client => client.SubmitAsync(Samples.Plan));

        Assert.Contains("may or may not be stored", e.Message, StringComparison.Ordinal);
        Assert.Contains("IdempotencyKey", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_trigger_is_never_sent_twice() =>
        await FailsAsync<TriggerRequest, PlanState>(client => client.TriggerAsync(Samples.PlanId));

    [Fact]
    public async Task The_creation_of_a_user_is_never_sent_twice() =>
        await FailsAsync<CreateUserRequest, KaryaUser>(client => client.CreateUserAsync("ada"));

    [Fact]
    public async Task Requests_wait_for_the_next_connection()
    {
        await _client.PingAsync().Soonly();
        var first = await _node.AcceptAsync();
        var retired = _client.Link.Current!.Retired;
        await first.DisposeAsync();
        await retired.Soonly();
        var getting = _client.SubmitAsync(Samples.Plan); // No connection ever had it.
        var second = await _node.AcceptAsync();
        await second.AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());

        await getting.Soonly();
    }

    [Fact]
    public async Task A_node_that_goes_away_answers_what_it_was_asked_and_gets_nothing_new()
    {
        var before = _client.GetAsync(Samples.PlanId);
        var first = await _node.AcceptAsync();
        var (id, _) = await first.ExpectAsync<GetRequest>();
        await first.PushAsync(new GoingAway("stopping", 1000));
        var second = await _node.AcceptAsync(); // At once, and while the first is still open.
        var after = _client.SubmitAsync(Samples.Plan);
        await second.AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());
        await after.Soonly();
        await first.ReplyAsync(id, Samples.Details());

        Assert.NotNull(await before.Soonly());
        await first.Closed.Soonly();
        Assert.Null(first.Arrived);
    }

    [Fact]
    public async Task A_request_that_is_refused_because_the_node_goes_away_is_sent_to_the_next_one()
    {
        var submitting = _client.SubmitAsync(Samples.Plan);
        var first = await _node.AcceptAsync();
        await first.AnswerAsync<SubmitRequest, ErrorMessage>(Samples.Error(ErrorCode.GoingAway));
        var second = await _node.AcceptAsync();
        await second.AnswerAsync<SubmitRequest, SubmitReply>(Samples.Submitted());

        await submitting.Soonly();
    }

    [Fact]
    public async Task An_error_of_the_connection_is_the_reason_that_requests_are_told()
    {
        var submitting = _client.SubmitAsync(Samples.Plan).AsTask();
        var first = await _node.AcceptAsync();
        await first.ExpectAsync<SubmitRequest>();
        await first.PushAsync(Samples.Error(ErrorCode.SlowReader, "You read too slowly."));

        var e = await Assert.ThrowsAsync<KaryaConnectionException>(() => submitting.Soonly());

        Assert.Equal(ErrorCode.Unknown, e.Code);
        Assert.Contains("You read too slowly. (SLOW_READER)", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_seed_that_answers_is_taken()
    {
        int closed = ClosedPort();
        string address = $"karya://127.0.0.1:{closed},127.0.0.1:{_node.Port}";
        await using var client = await KaryaClient.ConnectAsync(address).Soonly();

        Assert.Equal($"node-1 (127.0.0.1:{_node.Port})", client.Node);
    }

    [Fact]
    public async Task A_node_of_the_map_is_asked_when_the_seed_is_gone()
    {
        await using var other = new FakeNode();
        _node.MapNodes = [new NodeEndpoint("0.0.0.0", _node.Port), new NodeEndpoint("127.0.0.1", other.Port)];
        await _client.PingAsync().Soonly();
        await _node.DisposeAsync();

        await other.AcceptAsync();
        await _client.PingAsync().Soonly();

        Assert.Equal($"node-1 (127.0.0.1:{other.Port})", _client.Node);
    }

    [Fact]
    public async Task Connecting_where_nobody_listens_fails_at_once_and_says_where()
    {
        int closed = ClosedPort();

        var e = await Assert.ThrowsAsync<KaryaConnectionException>(
            () => KaryaClient.ConnectAsync($"karya://127.0.0.1:{closed}").Soonly());

        Assert.True(e.IsTransient);
        Assert.Contains($"127.0.0.1:{closed}", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_greeting_that_is_refused_is_told()
    {
        _node.Refusal = Samples.Error(ErrorCode.ProtocolVersion, "This node speaks 2 to 3.");

        var e = await Assert.ThrowsAsync<KaryaConnectionException>(
            () => KaryaClient.ConnectAsync($"karya://127.0.0.1:{_node.Port}").Soonly());

        Assert.Contains("This node speaks 2 to 3.", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_request_without_a_connection_gives_up_in_time_and_was_not_sent()
    {
        var time = new WatchedTime();
        await using var client = new KaryaClient(new KaryaClientOptions
        {
            Address = ServerAddress.Parse($"karya://127.0.0.1:{ClosedPort()}"),
            RequestTimeout = TimeSpan.FromSeconds(7),
            TimeProvider = time,
        });
        var submitting = client.SubmitAsync(Samples.Plan).AsTask();
        await time.PassAsync(TimeSpan.FromSeconds(7));

        var e = await Assert.ThrowsAsync<KaryaConnectionException>(() => submitting.Soonly());

        Assert.Equal((ErrorCode.Unavailable, true), (e.Code, e.IsTransient));
        Assert.Contains("within 7 s. Nothing was sent.", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pauses_grow_to_five_seconds_at_random_and_shrink_when_a_connection_lasted()
    {
        var backoff = new Backoff(new Random(1));
        var pauses = Enumerable.Range(0, 200).Select(_ => backoff.Next()).ToList();

        Assert.True(pauses[0] <= TimeSpan.FromMilliseconds(100));
        Assert.All(pauses, pause => Assert.InRange(pause, TimeSpan.Zero, TimeSpan.FromSeconds(5)));
        Assert.True(pauses.Max() > TimeSpan.FromSeconds(4));
        Assert.True(pauses.Skip(20).Min() < TimeSpan.FromSeconds(1));
        backoff.Worked(TimeSpan.FromSeconds(1));
        Assert.Contains(Enumerable.Range(0, 20).Select(_ => backoff.Next()), pause => pause > TimeSpan.FromSeconds(1));
        backoff.Worked(TimeSpan.FromSeconds(5));
        Assert.True(backoff.Next() <= TimeSpan.FromMilliseconds(100));
    }

    private static int ClosedPort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private async Task<TResult> IsSentTwiceAsync<TRequest, TReply, TResult>(
        Func<KaryaClient, ValueTask<TResult>> ask, TReply reply)
        where TRequest : IMessage<TRequest>
        where TReply : IMessage<TReply>
    {
        var asking = ask(_client).AsTask();
        var first = await _node.AcceptAsync();
        var (_, before) = await first.ExpectAsync<TRequest>();
        await first.DisposeAsync();
        var second = await _node.AcceptAsync();
        var again = await second.AnswerAsync<TRequest, TReply>(reply);

        Assert.Equivalent(before, again);
        return await asking.Soonly();
    }

    private async Task<KaryaException> FailsAsync<TRequest, TResult>(Func<KaryaClient, ValueTask<TResult>> ask)
        where TRequest : IMessage<TRequest>
    {
        var asking = ask(_client).AsTask();
        var first = await _node.AcceptAsync();
        await first.ExpectAsync<TRequest>();
        await first.DisposeAsync();
        var e = await Assert.ThrowsAnyAsync<KaryaException>(() => asking.Soonly());
        var second = await _node.AcceptAsync();
        await _client.PingAsync().Soonly();

        Assert.Equal((ErrorCode.Unknown, false), (e.Code, e.IsTransient));
        Assert.Null(second.Arrived);
        return e;
    }
}
