using System.Buffers;
using System.Collections.Concurrent;
using Karya.Engine;
using Karya.Node.Execution;
using Karya.Node.Plans;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Execution;

public sealed class TargetBreakerTests : IDisposable
{
    private const int FailuresMax = 3;

    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);
    private static readonly Outcome Down = Outcome.Down(FailureClass.Refused, "refused");

    private readonly FakeTimeProvider _clock = new();
    private readonly List<(uint Lane, int Limit)> _limits = [];
    private readonly List<(string Target, string? Error)> _parked = [];
    private readonly TargetBreaker _breaker;

    public TargetBreakerTests() => _breaker = NewBreaker(FailuresMax);

    [Fact]
    public void A_target_that_fails_in_a_row_is_parked_and_tried_again_after_a_pause()
    {
        Fail(1, FailuresMax - 1);
        Assert.Empty(_limits);
        Fail(1);
        Assert.Equal([(1u, 0)], _limits);
        Assert.Equal([("host-1:80", "refused")], _parked);
        Assert.Equal(1, _breaker.ParkedCount);

        _clock.Advance(Pause - TimeSpan.FromMilliseconds(1));
        Assert.Single(_limits);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal((1u, 1), _limits[^1]);

        End(1, Outcome.Success);
        Assert.Equal((1u, int.MaxValue), _limits[^1]);
        Assert.Equal(("host-1:80", null), _parked[^1]);
        Assert.Equal(0, _breaker.ParkedCount);
    }

    [Fact]
    public void Each_try_that_fails_doubles_the_pause_up_to_a_minute_and_success_begins_anew()
    {
        Fail(1, FailuresMax);
        var pause = Pause;
        for (int i = 0; i < 6; i++)
        {
            _clock.Advance(pause - TimeSpan.FromMilliseconds(1));
            Assert.Equal((1u, 0), _limits[^1]);
            _clock.Advance(TimeSpan.FromMilliseconds(1));
            Assert.Equal((1u, 1), _limits[^1]);
            Fail(1);
            pause = TimeSpan.FromSeconds(Math.Min(60, 2 * pause.TotalSeconds));
        }

        Assert.Single(_parked); // Once for all of it.
        _clock.Advance(pause);
        End(1, Outcome.Success);
        Fail(1, FailuresMax);
        _clock.Advance(Pause);
        Assert.Equal((1u, 1), _limits[^1]);
    }

    [Fact]
    public void Any_answer_ends_a_row_of_failures()
    {
        Fail(1, FailuresMax - 1);
        End(1, Outcome.Failed(FailureClass.Http4xx, "REST call failed --- [404 | x] | "));
        Fail(1, FailuresMax - 1);
        End(1, Outcome.Success);
        Fail(1, FailuresMax - 1);

        Assert.Empty(_limits);
    }

    [Fact]
    public void What_ran_when_a_target_was_parked_changes_nothing_unless_it_succeeds()
    {
        Fail(1, FailuresMax + 10);
        Assert.Equal([(1u, 0)], _limits);
        _clock.Advance(Pause);
        Assert.Equal((1u, 1), _limits[^1]);

        Fail(1);
        Assert.Equal((1u, 0), _limits[^1]);
        End(1, Outcome.Success);
        Assert.Equal((1u, int.MaxValue), _limits[^1]);
        _clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal((1u, int.MaxValue), _limits[^1]);
    }

    [Fact]
    public void Targets_are_told_apart()
    {
        Fail(1, FailuresMax - 1);
        Fail(2, FailuresMax - 1);
        End(3, Outcome.Success);
        Assert.Empty(_limits);

        Fail(2);

        Assert.Equal([(2u, 0)], _limits);
    }

    [Fact]
    public void Targets_that_failed_once_are_forgotten_when_there_are_too_many()
    {
        Fail(0, FailuresMax);
        for (uint lane = 1; lane <= 10_100; lane++)
            Fail(lane);
        for (uint lane = 1; lane <= 50; lane++)
            Fail(lane, FailuresMax - 1); // Would be enough if they were remembered.

        Assert.Equal([(0u, 0)], _limits);
    }

    /// <summary>What one thread forgets another one must not park: nobody would let it go again.</summary>
    [Fact]
    public void However_failures_and_successes_meet_the_last_success_lets_the_target_go()
    {
        var limits = new ConcurrentDictionary<uint, int>();
        using var breaker = new TargetBreaker(
            new BreakerOptions(1, Pause), (lane, limit) => limits[lane] = limit, (_, _) => { }, _clock);
        Dispatch[] dispatches = [.. Enumerable.Range(0, 4).Select(lane => DispatchOf((uint)lane))];
        for (int round = 0; round < 200; round++)
        {
            Parallel.For(0, 4, thread =>
            {
                for (int i = 0; i < 100; i++)
                    breaker.Ended(dispatches[i % 4], (i / 4 + thread) % 2 == 0 ? Down : Outcome.Success);
            });
            foreach (var dispatch in dispatches)
                breaker.Ended(dispatch, Outcome.Success);
            Assert.Equal(0, breaker.ParkedCount);
            Assert.All(limits.Values, limit => Assert.Equal(int.MaxValue, limit));
            _clock.Advance(TimeSpan.FromHours(1));
            Assert.All(limits.Values, limit => Assert.Equal(int.MaxValue, limit));
        }
    }

    [Fact]
    public void It_can_be_turned_off()
    {
        using var breaker = NewBreaker(failuresMax: 0);
        for (int i = 0; i < 100; i++)
            breaker.Ended(DispatchOf(1), Down);

        Assert.Empty(_limits);
    }

    public void Dispose() => _breaker.Dispose();

    private TargetBreaker NewBreaker(int failuresMax) => new(
        new BreakerOptions(failuresMax, Pause), (lane, limit) => _limits.Add((lane, limit)),
        (target, error) => _parked.Add((target, error)), _clock);

    private void Fail(uint lane, int times = 1)
    {
        for (int i = 0; i < times; i++)
            End(lane, Down);
    }

    private void End(uint lane, Outcome outcome) => _breaker.Ended(DispatchOf(lane), outcome);

    private static Dispatch DispatchOf(uint lane)
    {
        var body = new ArrayBufferWriter<byte>();
        PlanBodyCodec.Write(
            new PlanBody("", "PT1S", new RestAction(false, $"user@host-{lane}:80/x", "GET", [], null, 1), []), body);
        return new Dispatch { Lane = lane, Body = body.WrittenSpan.ToArray(), BodyBytes = body.WrittenCount };
    }
}
