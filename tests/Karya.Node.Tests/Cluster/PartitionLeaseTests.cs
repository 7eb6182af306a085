using Karya.Node.Cluster;
using Karya.Node.Tests.Execution;
using Karya.Node.Tests.Joined;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Karya.Node.Tests.Cluster;

public sealed class PartitionLeaseTests : IDisposable
{
    private static readonly TimeSpan Length = TimeSpan.FromMilliseconds(100); // Renewed every 20 ms of real time.

    private readonly FakeTimeProvider _clock = new();
    private readonly PartitionLease _lease;
    private TimeSpan _firstTakes;
    private volatile bool _fails;
    private volatile string? _lost;
    private int _renewals;
    private int _regained;

    public PartitionLeaseTests() => _lease = new PartitionLease(
        Length,
        () =>
        {
            bool isFirst = Interlocked.Increment(ref _renewals) == 1;
            if (isFirst)
                _clock.Advance(_firstTakes);
            return !_fails || (isFirst && _firstTakes > TimeSpan.Zero);
        },
        () => _lost,
        () => Interlocked.Increment(ref _regained),
        _clock);

    private static CancellationToken Stopping => TestContext.Current.CancellationToken;

    public void Dispose() => _lease.Dispose();

    [Fact]
    public void Nothing_is_trusted_before_the_claim() => Assert.False(_lease.IsTrusted);

    [Fact]
    public void It_is_trusted_from_when_its_renewal_was_sent_for_its_length_without_the_margin()
    {
        _firstTakes = TimeSpan.FromMilliseconds(50);
        _fails = true; // From the second one on.
        _lease.Start();
        _clock.Advance(TimeSpan.FromMilliseconds(39));
        Assert.True(_lease.IsTrusted);
        Assert.Null(_lease.Trouble);
        _clock.Advance(TimeSpan.FromMilliseconds(1));
        Assert.False(_lease.IsTrusted);
        Assert.Contains("run out", _lease.Trouble, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_renewal_extends_it()
    {
        _lease.Start();
        _clock.Advance(TimeSpan.FromMilliseconds(60));
        int before = Volatile.Read(ref _renewals);
        await Until.TrueAsync(() => Volatile.Read(ref _renewals) > before + 1, "it is renewed");
        _clock.Advance(TimeSpan.FromMilliseconds(60));
        Assert.True(_lease.IsTrusted);
    }

    [Fact]
    public async Task Who_waits_for_it_goes_on_when_it_is_renewed_and_the_shards_are_told()
    {
        _fails = true;
        _lease.Start();
        var waiting = _lease.WaitToBeginAsync(partition: 0, epoch: 1, Stopping).AsTask();
        Assert.False(waiting.IsCompleted);
        _fails = false;
        Assert.True(await Expect.SoonAsync(waiting, "the wait ends"));
        await Until.TrueAsync(() => Volatile.Read(ref _regained) > 0, "the shards are told");
    }

    [Fact]
    public async Task A_lost_lease_is_not_trusted_for_another_moment_and_says_why()
    {
        _lease.Start();
        _fails = true;
        _lost = "Another node has it.";
        Assert.Equal("Another node has it.", await Expect.SoonAsync(_lease.Failed, "the loss is noticed"));
        Assert.False(_lease.IsTrusted);
        Assert.False(await _lease.WaitToBeginAsync(partition: 0, epoch: 1, Stopping));
    }

    [Fact]
    public async Task A_wait_can_be_called_off()
    {
        using var source = new CancellationTokenSource();
        var waiting = _lease.WaitToBeginAsync(partition: 0, epoch: 1, source.Token).AsTask();
        await source.CancelAsync();
        Assert.False(await Expect.SoonAsync(waiting, "the wait ends"));
    }

    [Fact]
    public void Without_a_length_it_is_trusted_for_ever_and_never_renewed()
    {
        using var lease = new PartitionLease(
            null, () => throw new InvalidOperationException(), () => null, () => { }, _clock);
        lease.Start();
        _clock.Advance(TimeSpan.FromDays(1000));
        Assert.True(lease.IsTrusted);
    }
}
