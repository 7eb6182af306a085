using Karya.Engine;
using Karya.Engine.Shards;
using Karya.Node.Network;
using Karya.Node.Plans;
using Karya.Node.Tests.Joined;
using Karya.Protocol;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests;

/// <summary>What a forwarder does while nobody can be asked. No other node is there.</summary>
public sealed class ForwarderTests : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly FakeTimeProvider _clock = new(DateTimeOffset.UnixEpoch.AddDays(20_000));
    private readonly TickClock _ticks;
    private readonly Shard _shard;
    private readonly Forwarder _forwarder;
    private bool _isHere;
    private int _looks;

    public ForwarderTests()
    {
        _ticks = new TickClock(_clock);
        _shard = new Shard(
            new ShardOptions(0, 4, 16, 16, 1000, 1_000_000, 1_000_000), new ShardInbox(100, () => { }), _ticks.NowMs());
        _shard.Open(_ticks.NowMs());
        var parts = new ForwarderParts(
            _ => null, _ => _isHere, () => true, () => _looks++, _ => Task.CompletedTask);
        _forwarder = new Forwarder(
            4, parts, new PeerLinks("test", "secret", _clock), [_shard], _ticks, _clock);
    }

    [Fact]
    public void A_request_that_a_shard_has_just_passed_on_comes_back_to_it_after_a_pause_and_not_at_once()
    {
        _isHere = true;
        _forwarder.Post(Cancel(new PendingReply()));
        Assert.Equal(0, _shard.Turn(_ticks.NowMs()).Strays.Span.Length);

        _clock.Advance(Pause);
        Assert.Equal(1, _shard.Turn(_ticks.NowMs()).Strays.Span.Length);
    }

    [Fact]
    public async Task A_request_for_a_partition_that_nobody_takes_is_answered_in_the_end_as_not_done()
    {
        var reply = new PendingReply();
        _forwarder.Post(Cancel(reply));
        var idle = _forwarder.WhenIdleAsync();
        for (int i = 0; i < 499; i++)
            _clock.Advance(Pause);
        Assert.False(reply.Code.IsCompleted);
        Assert.Equal(500, _looks);
        Assert.False(idle.IsCompleted);

        _clock.Advance(2 * Pause);
        Assert.Equal(ReplyCode.NotOwner, await reply.Code);
        await idle;
    }

    [Fact]
    public async Task The_end_of_an_attempt_waits_longer_and_goes_to_the_shard_that_takes_its_partition()
    {
        _forwarder.Post(new Command
        {
            Kind = CommandKind.AttemptSucceeded,
            Key = new TaskKey(new PlanId(1), 1, 0),
            AtMs = _ticks.NowMs(),
        });
        for (int i = 0; i < 2000; i++)
            _clock.Advance(Pause);
        Assert.False(_forwarder.WhenIdleAsync().IsCompleted);
        Assert.True(_forwarder.HasEndsOf(0));

        _isHere = true;
        _clock.Advance(Pause);
        _forwarder.Post(_shard.Turn(_ticks.NowMs()).Strays.Span[0]); // It was too late: the partition goes again.
        Assert.False(_forwarder.WhenIdleAsync().IsCompleted);

        IReplyTarget? again = null;
        await Until.TrueAsync(
            () =>
            {
                _clock.Advance(Pause);
                var strays = _shard.Turn(_ticks.NowMs()).Strays.Span;
                again = strays.IsEmpty ? null : strays[0].ReplyTo;
                return again is not null;
            },
            "it is tried again");
        Assert.True(_forwarder.HasEndsOf(0)); // Its partition is not closed before it is durable.

        again!.Complete(new Reply { Code = ReplyCode.Ok });
        await _forwarder.WhenIdleAsync();
        Assert.False(_forwarder.HasEndsOf(0));
    }

    [Fact]
    public async Task Tables_of_partitions_that_nobody_has_are_not_said_to_be_up_to_date()
    {
        Assert.False(await _forwarder.TryCatchUpHereAsync([0]));
        var caughtUp = _forwarder.CatchUpAsync([0], CancellationToken.None);
        while (!caughtUp.IsCompleted)
        {
            _clock.Advance(Pause);
            await Task.Yield();
        }

        await Assert.ThrowsAsync<TimeoutException>(() => caughtUp);

        _isHere = true;
        Assert.True(await _forwarder.TryCatchUpHereAsync([0]));
    }

    [Theory]
    [InlineData(ErrorCode.NotOwner, null)]
    [InlineData(ErrorCode.GoingAway, null)]
    [InlineData(ErrorCode.Malformed, null)]
    [InlineData(ErrorCode.UnknownOpcode, null)]
    [InlineData(ErrorCode.Overloaded, ReplyCode.Overloaded)]
    [InlineData(ErrorCode.TooManyInFlight, ReplyCode.Overloaded)]
    [InlineData(ErrorCode.Unknown, ReplyCode.Unknown)]
    [InlineData(ErrorCode.Internal, ReplyCode.Unknown)]
    public void Of_a_refusal_only_what_may_have_been_done_is_open_and_the_rest_is_tried_again(
        ErrorCode refusal, ReplyCode? expected)
    {
        var writer = new FrameWriter();
        PeerErrors.Of(refusal, "no").Write(writer);

        Assert.Equal(
            expected,
            Forwarder.CodeOf(new PeerAnswer(PeerEnd.Answered, Opcode.Error, writer.Written.ToArray())));
    }

    [Theory]
    [InlineData(ReplyCode.Ok, true)]
    [InlineData(ReplyCode.WrongState, true)]
    [InlineData(ReplyCode.Unknown, false)] // The owner lost the partition before the end was durable.
    [InlineData(ReplyCode.Overloaded, false)]
    [InlineData(ReplyCode.NotOwner, false)]
    public void The_end_of_an_attempt_is_sent_until_it_is_durable(ReplyCode code, bool isTaken) =>
        Assert.Equal(isTaken, Forwarder.IsTaken(code));

    public async ValueTask DisposeAsync()
    {
        await _forwarder.DisposeAsync();
        _shard.Dispose();
    }

    private Command Cancel(IReplyTarget target) => new()
    {
        Kind = CommandKind.Cancel,
        Key = new TaskKey(new PlanId(1), 0, 0),
        AtMs = _ticks.NowMs(),
        ReplyTo = target,
        MayPassOn = true,
    };
}
