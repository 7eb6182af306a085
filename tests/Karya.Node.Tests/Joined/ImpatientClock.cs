namespace Karya.Node.Tests.Joined;

/// <summary>The machine's clock, but waits of 5 s and more end after a twentieth of their length.</summary>
internal sealed class ImpatientClock : TimeProvider
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(5);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        base.CreateTimer(callback, state, dueTime >= Long ? dueTime / 20 : dueTime, period);
}
