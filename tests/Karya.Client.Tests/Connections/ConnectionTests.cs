using Karya.Client.Tests.Fakes;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Connections;

/// <summary>One connection: many requests at once, limits, time-outs, and peers that break the protocol.</summary>
public sealed class ConnectionTests : IAsyncDisposable
{
    private static readonly TimeSpan RequestTimeout = TimeSpan.FromSeconds(10);

    private readonly FakeNode _node = new();
    private readonly WatchedTime _time = new();
    private readonly List<KaryaClient> _clients = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients)
            await client.DisposeAsync();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task Requests_are_pipelined_and_replies_may_come_in_any_order()
    {
        var client = Client();
        var gets = Enumerable.Range(0, 100)
            .Select(i => client.GetAsync(PlanId(i)).AsTask()).ToArray();
        var connection = await _node.AcceptAsync();
        var requests = new List<(uint Id, GetRequest Message)>();
        for (int i = 0; i < gets.Length; i++)
            requests.Add(await connection.ExpectAsync<GetRequest>()); // All are here before any is answered.

        foreach (var (id, request) in Enumerable.Reverse(requests))
        {
            var details = Samples.Details();
            await connection.ReplyAsync(id, details with { Plan = details.Plan with { Id = request.Plan } });
        }

        for (int i = 0; i < gets.Length; i++)
            Assert.Equal(PlanId(i), (await gets[i].Soonly())!.Plan.Id);
        Assert.Equal(requests.Count, requests.Select(request => request.Id).Distinct().Count());
    }

    [Fact]
    public async Task No_more_requests_are_in_flight_than_the_node_grants()
    {
        _node.Limits = _node.Limits with { InFlightMax = 3 }; // One of them is for pings.
        var client = Client();
        var first = client.GetAsync(PlanId(1)).AsTask();
        var connection = await _node.AcceptAsync();
        var (firstId, _) = await connection.ExpectAsync<GetRequest>();
        var second = client.GetAsync(PlanId(2)).AsTask();
        var (secondId, _) = await connection.ExpectAsync<GetRequest>();
        var third = client.GetAsync(PlanId(3)).AsTask();
        await _time.ArmedAsync(RequestTimeout, times: 4); // Connect: 1 wait each; the fourth is for a place.

        Assert.Null(connection.Arrived);
        await connection.ReplyAsync(firstId, Samples.Details());
        await first.Soonly();
        var (thirdId, request) = await connection.ExpectAsync<GetRequest>();

        Assert.Equal(Uuids.ToNumber(PlanId(3)), request.Plan);
        await connection.ReplyAsync(secondId, Samples.Details());
        await connection.ReplyAsync(thirdId, Samples.Details());
        await second.Soonly();
        await third.Soonly();
    }

    [Fact]
    public async Task A_request_that_gets_no_place_in_time_was_not_sent_and_says_so()
    {
        _node.Limits = _node.Limits with { InFlightMax = 1 };
        var client = Client();
        using var giveUp = new CancellationTokenSource();
        var first = client.GetAsync(PlanId(1), giveUp.Token).AsTask();
        var connection = await _node.AcceptAsync();
        await connection.ExpectAsync<GetRequest>();
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Soonly());
        int before = _time.CountOf(RequestTimeout);
        var second = client.SubmitAsync(Samples.Plan).AsTask(); // The first one still occupies the place.
        await _time.PassAsync(RequestTimeout, before + 1);

        var e = await Assert.ThrowsAsync<KaryaTimeoutException>(() => second.Soonly());

        Assert.True(e.IsTransient);
        Assert.Contains("SubmitAsync did not get its turn", e.Message, StringComparison.Ordinal);
        Assert.Contains("in flight 1 of 1", e.Message, StringComparison.Ordinal);
        Assert.Contains("Nothing was done", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_time_out_explains_itself()
    {
        var client = Client();
        var submitting = client.SubmitAsync(Samples.Plan).AsTask();
        var connection = await _node.AcceptAsync();
        await connection.ExpectAsync<SubmitRequest>();
        int before = _time.CountOf(RequestTimeout);
        await _time.PassAsync(RequestTimeout, before);

        var e = await Assert.ThrowsAsync<KaryaTimeoutException>(() => submitting.Soonly());

        Assert.Equal((ErrorCode.Unknown, false), (e.Code, e.IsTransient));
        string[] lines = e.Message.Split('\n');
        Assert.Equal($"SubmitAsync got no answer from node-1 (127.0.0.1:{_node.Port}) within 10 s.", lines[0]);
        Assert.Matches( // The node may have answered a ping meanwhile.
            "^ sent 10 s ago \\| in flight 1 of 255, waiting 0 \\| last frame from the node (0|10) s ago$", lines[1]);
        Assert.Matches("^ thread pool: [0-9]+ threads, [0-9]+ queued", lines[2]);
        Assert.Contains("may store it twice", lines[3], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_time_out_of_a_plan_with_a_key_says_that_submitting_again_is_safe()
    {
        var client = Client();
        var submitting = client.SubmitAsync(Samples.Plan with { IdempotencyKey = "a" }).AsTask();
        var connection = await _node.AcceptAsync();
        await connection.ExpectAsync<SubmitRequest>();
        await _time.PassAsync(RequestTimeout, _time.CountOf(RequestTimeout));

        var e = await Assert.ThrowsAsync<KaryaTimeoutException>(() => submitting.Soonly());

        Assert.True(e.IsTransient);
        Assert.Contains("same id or idempotency key is safe", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_late_answer_of_a_request_that_was_given_up_is_dropped()
    {
        var client = Client();
        using var giveUp = new CancellationTokenSource();
        var first = client.GetAsync(PlanId(1), giveUp.Token).AsTask();
        var connection = await _node.AcceptAsync();
        var (id, _) = await connection.ExpectAsync<GetRequest>();
        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.Soonly());

        await connection.ReplyAsync(id, Samples.Details());
        var second = client.GetAsync(PlanId(2));
        await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());

        Assert.NotNull(await second.Soonly());
    }

    [Fact]
    public async Task A_request_that_was_cancelled_beforehand_is_not_sent()
    {
        var client = Client();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => client.SubmitAsync(Samples.Plan, new CancellationToken(canceled: true)).AsTask());

        var getting = client.GetAsync(PlanId(1));
        var connection = await _node.AcceptAsync();
        await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details()); // And nothing before it.
        await getting.Soonly();
    }

    [Fact]
    public async Task A_request_over_the_frame_limit_is_refused_here_and_the_connection_stays()
    {
        _node.Limits = _node.Limits with { FrameLengthMax = 2048 };
        var client = Client();
        var connecting = client.PingAsync();
        await connecting.Soonly();
        var connection = await _node.AcceptAsync();

        var e = await Assert.ThrowsAsync<KaryaException>(() => client.SubmitAsync(
            Samples.Plan with { Action = KaryaAction.Task("a", new byte[3000]) }).Soonly());
        var getting = client.GetAsync(PlanId(1));
        await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());

        Assert.Equal(ErrorCode.FrameTooLarge, e.Code);
        Assert.NotNull(await getting.Soonly());
    }

    [Fact]
    public async Task A_frame_that_comes_byte_by_byte_is_read()
    {
        var client = Client();
        var getting = client.GetAsync(PlanId(1));
        var connection = await _node.AcceptAsync();
        var (id, _) = await connection.ExpectAsync<GetRequest>();
        var writer = new FrameWriter();
        writer.Write(id, Samples.Details());
        for (int i = 0; i < writer.Length; i++)
            await connection.SendAsync(writer.Written.Slice(i, 1));

        Assert.NotNull(await getting.Soonly());
    }

    [Fact]
    public async Task A_reply_that_cannot_be_read_fails_its_request_and_the_client_connects_anew()
    {
        var client = _node.Client();
        _clients.Add(client);
        var broken = client.GetAsync(PlanId(1)).AsTask();
        var connection = await _node.AcceptAsync();
        var (id, _) = await connection.ExpectAsync<GetRequest>();
        var other = client.GetAsync(PlanId(2));
        await connection.ExpectAsync<GetRequest>();
        byte[] noMessage = [0, 0, 0, 7, 1, (byte)(Opcode.Get | Opcode.Reply), 0, 0, 0, (byte)id, 0xC1];
        await connection.SendAsync(noMessage);

        var e = await Assert.ThrowsAsync<KaryaConnectionException>(() => broken.Soonly());
        await connection.Closed.Soonly();
        var next = await _node.AcceptAsync();
        var (_, again) = await AnswerGetAsync(next);

        Assert.Equal(ErrorCode.Malformed, e.Code);
        Assert.Contains("broke the protocol", e.Message, StringComparison.Ordinal);
        Assert.Equal(Uuids.ToNumber(PlanId(2)), again.Plan);
        Assert.NotNull(await other.Soonly());
    }

    [Fact]
    public async Task An_answer_that_nobody_asked_for_and_foreign_bytes_end_the_connection()
    {
        var client = _node.Client();
        _clients.Add(client);
        await client.PingAsync().Soonly();
        var first = await _node.AcceptAsync();
        await first.ReplyAsync(4711, new Pong(0));
        await first.Closed.Soonly();
        var second = await _node.AcceptAsync();
        await second.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
        await second.Closed.Soonly();

        await _node.AcceptAsync();
    }

    [Fact]
    public async Task A_push_of_a_later_version_is_ignored()
    {
        var client = Client();
        await client.PingAsync().Soonly();
        var connection = await _node.AcceptAsync();
        await connection.SendAsync(new byte[] { 0, 0, 0, 7, 1, 0x4F, 0, 0, 0, 0, 0x90 });

        var getting = client.GetAsync(PlanId(1));
        await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());

        Assert.NotNull(await getting.Soonly());
    }

    [Fact]
    public async Task A_silent_node_is_pinged_and_given_up()
    {
        var client = Client();
        await client.PingAsync().Soonly();
        var connection = await _node.AcceptAsync();
        connection.AnswersPings = false;
        await _time.PassAsync(TimeSpan.FromSeconds(10)); // A third of the idle time.
        await connection.ExpectAsync<Ping>();
        _time.Advance(TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromSeconds(10));

        await connection.Closed.Soonly();
    }

    [Fact]
    public async Task An_idle_connection_stays_as_long_as_pings_are_answered()
    {
        var client = Client();
        await client.PingAsync().Soonly();
        var connection = await _node.AcceptAsync();
        connection.AnswersPings = false;
        await _time.ArmedAsync(TimeSpan.FromSeconds(10));
        for (int i = 0; i < 10; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            var (id, _) = await connection.ExpectAsync<Ping>();
            await connection.ReplyAsync(id, new Pong(0));
            var getting = client.GetAsync(PlanId(1)); // Answered after the pong: it has been seen.
            await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());
            await getting.Soonly();
        }

        Assert.False(connection.Closed.IsCompleted);
    }

    [Fact]
    public async Task Requests_of_a_client_that_is_disposed_fail()
    {
        var client = Client();
        var getting = client.GetAsync(PlanId(1)).AsTask();
        var connection = await _node.AcceptAsync();
        await connection.ExpectAsync<GetRequest>();
        await client.DisposeAsync();

        await Assert.ThrowsAsync<KaryaConnectionException>(() => getting.Soonly());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetAsync(PlanId(1)).Soonly());
        await connection.Closed.Soonly();
    }

    private static Guid PlanId(int i) => Uuids.ToGuid((UInt128)(1000 + i));

    private static async Task<(uint Id, GetRequest Message)> AnswerGetAsync(FakeConnection connection)
    {
        var request = await connection.ExpectAsync<GetRequest>();
        await connection.ReplyAsync(request.Id, Samples.Details());
        return request;
    }

    /// <summary>By a clock that stands still.</summary>
    private KaryaClient Client()
    {
        var client = _node.Client(options =>
        {
            options.TimeProvider = _time;
            options.RequestTimeout = RequestTimeout;
        });
        _clients.Add(client);
        return client;
    }
}
