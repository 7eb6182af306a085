using Karya.Engine;

namespace Karya.Node.Cluster;

/// <summary>
/// Which nodes this one believes to be alive, from heartbeats that come through Redis. Decides who should own, never
/// who may: that is the lease. Owned by the thread that reconciles.
/// </summary>
/// <remarks>
/// <para>
/// A sign of life is a counter that rises above all that were seen of its incarnation. That a heartbeat exists is none,
/// nor is the first sight of it: a stale replica or a restored dump shows the beats of the dead just as well. A node
/// that starts is therefore seen by the others with its second beat.
/// </para>
/// <para>
/// This node's own heartbeat is the probe: only while it rises in what is read do writes get into Redis and out
/// again, and the silence of others means something. Otherwise nothing is known, and who asks should change nothing.
/// </para>
/// <code>
/// own:     3   4   5   5   5   5   6         stale from the fourth look on: known until a life after 5
/// other:   8   9   9   9   9   9   9         dead a life after 9 was listened for, not while nothing could be heard
/// </code>
/// <para>
/// Silence is counted in time listened: from one look to the next, but at most a third of a life, for all that was
/// said meanwhile is heard in one look. So it takes three looks at least to find anybody dead, and nobody is because
/// this process slept. Look three times a life or more often.
/// </para>
/// </remarks>
internal sealed class MemberView
{
    /// <summary>Looks without a sign of life that it takes at least.</summary>
    private const int LooksPerLife = 3;

    /// <summary>Lives after which an incarnation that no look showed is forgotten, only to save memory.</summary>
    private const int LivesRemembered = 10;

    private readonly Member _self;
    private readonly string _incarnation;
    private readonly long _aliveMs;
    private readonly Dictionary<(string Name, string Incarnation), Trace> _traces = [];
    private long? _lookedMs;
    private long? _heardSelfMs;
    private long _listenedMs;

    /// <param name="self">This node.</param>
    /// <param name="incarnation">Of this process, as it stands in this node's heartbeats.</param>
    /// <param name="aliveMs">
    /// A life: for how long a sign of life counts. At least three times the pause between two beats.
    /// </param>
    public MemberView(Member self, string incarnation, long aliveMs)
    {
        Invariant.Check(aliveMs >= LooksPerLife);

        _self = self;
        _incarnation = incarnation;
        _aliveMs = aliveMs;
    }

    /// <summary>A look at all heartbeats, this node's own included. A failed look is none: nothing to call.</summary>
    /// <param name="askedMs">
    /// This node's monotonic time, from before the heartbeats were asked for: an answer that was late is that old.
    /// </param>
    /// <param name="heartbeats">
    /// What was there, in any order. Those with a weight below 1 do not come from a node and are passed over.
    /// </param>
    public void Saw(long askedMs, IReadOnlyList<Heartbeat> heartbeats)
    {
        long passedMs = Math.Max(0, askedMs - (_lookedMs ?? askedMs));
        _lookedMs = Math.Max(askedMs, _lookedMs ?? askedMs);
        _listenedMs += Math.Min(passedMs, _aliveMs / LooksPerLife);

        foreach (var heartbeat in heartbeats)
        {
            bool isSignOfLife = heartbeat.Weight >= 1 && Note(heartbeat);
            if (isSignOfLife && heartbeat.Name == _self.Name && heartbeat.Incarnation == _incarnation)
                _heardSelfMs = Math.Max(askedMs, _heardSelfMs ?? askedMs);
        }

        foreach (var (key, trace) in _traces)
        {
            if (_listenedMs - trace.SeenAt > LivesRemembered * _aliveMs)
                _traces.Remove(key);
        }
    }

    /// <summary>
    /// Those who live, can own partitions and are willing to, by name; null when nothing is known about the others, so
    /// that everything had better stay as it is.
    /// </summary>
    /// <param name="nowMs">This node's monotonic time.</param>
    /// <param name="canOwn">Whether this node can own and is willing to, of which it needs nobody to tell it.</param>
    public IReadOnlyList<Member>? Alive(long nowMs, bool canOwn)
    {
        if (!IsKnown(nowMs))
            return null;

        var newest = new Dictionary<string, Trace>(StringComparer.Ordinal);
        foreach (var ((name, _), trace) in _traces)
        {
            bool isOutdated = newest.TryGetValue(name, out var other) && other.AdvancedAt >= trace.AdvancedAt;
            if (IsAlive(trace) && !isOutdated && name != _self.Name)
                newest[name] = trace;
        }

        var alive = newest.Values.Select(trace => trace.Beat)
            .Where(beat => beat is { CanOwn: true, IsDraining: false })
            .Select(beat => new Member(beat.Name, beat.Weight))
            .ToList();
        if (canOwn)
            alive.Add(_self);
        alive.Sort((left, right) => string.CompareOrdinal(left.Name, right.Name));
        return alive;
    }

    /// <returns>Whether it is a sign of life.</returns>
    private bool Note(in Heartbeat heartbeat)
    {
        var key = (heartbeat.Name, heartbeat.Incarnation);
        if (!_traces.TryGetValue(key, out var trace))
        {
            _traces.Add(key, new Trace(heartbeat, AdvancedAt: null, _listenedMs));
            return false;
        }

        bool hasAdvanced = heartbeat.Counter > trace.Beat.Counter;
        _traces[key] = hasAdvanced
            ? new Trace(heartbeat, _listenedMs, _listenedMs)
            : trace with { SeenAt = _listenedMs };
        return hasAdvanced;
    }

    /// <summary>
    /// In the first life, every other heartbeat that is there must have shown that somebody is behind it: a node that
    /// starts would otherwise hear itself before the others and believe that it is alone.
    /// </summary>
    private bool IsKnown(long nowMs) =>
        _heardSelfMs is { } heardMs && nowMs - heardMs <= _aliveMs
        && (_listenedMs >= _aliveMs || _traces.Values.All(IsDecided));

    private bool IsDecided(Trace trace) => trace.AdvancedAt is not null || trace.Beat.Name == _self.Name;

    private bool IsAlive(in Trace trace) =>
        trace.AdvancedAt is { } advancedAt && _listenedMs - advancedAt <= _aliveMs;

    /// <summary>What was seen of an incarnation.</summary>
    /// <param name="Beat">With the highest counter.</param>
    /// <param name="AdvancedAt">Time listened when the counter last rose; null while it never did.</param>
    /// <param name="SeenAt">Time listened when it was last in a snapshot.</param>
    private readonly record struct Trace(Heartbeat Beat, long? AdvancedAt, long SeenAt);
}
