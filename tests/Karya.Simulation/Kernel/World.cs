using System.Runtime.CompilerServices;
using System.Text;

namespace Karya.Simulation.Kernel;

/// <summary>
/// The one thread of a run: events in the order of true time, drawn from one seed. Events of the same instant happen in
/// the order in which they were planned.
/// </summary>
internal sealed class World(ulong seed, TextWriter? trace = null)
{
    /// <summary>24 October 2026, 12:00 UTC: summer time ends in Europe 13 hours later.</summary>
    private const long AutumnUs = 1_792_843_200_000_000;

    /// <summary>27 March 2027, 12:00 UTC: it begins 13 hours later.</summary>
    private const long SpringUs = 1_806_148_800_000_000;

    private readonly PriorityQueue<Action, (long AtUs, long Number)> _events = new();
    private long _count;

    public Prng Chance { get; } = new(seed);

    /// <summary>True time at the start, in us since 1970.</summary>
    public long StartUs { get; } = (Mix(seed) & 1) == 0 ? AutumnUs : SpringUs;

    /// <summary>True time, in us since the start.</summary>
    public long NowUs { get; private set; }

    /// <summary>Events that have happened.</summary>
    public long EventCount { get; private set; }

    /// <summary>A hash of all that was noted: the same for the same seed, or the run is not deterministic.</summary>
    public ulong TraceHash { get; private set; } = seed;

    public bool IsTraced => trace is not null;

    public void At(long atUs, Action action) => _events.Enqueue(action, (Math.Max(atUs, NowUs), _count++));

    public void After(long delayUs, Action action) => At(NowUs + Math.Max(0, delayUs), action);

    /// <summary>Lets everything happen that is planned up to an instant.</summary>
    public void RunUntil(long untilUs)
    {
        while (_events.TryPeek(out _, out var next) && next.AtUs <= untilUs)
        {
            var action = _events.Dequeue();
            NowUs = next.AtUs;
            EventCount++;
            action();
        }

        NowUs = Math.Max(NowUs, untilUs);
    }

    /// <summary>Adds to the hash, and to the trace if there is one.</summary>
    public void Note([InterpolatedStringHandlerArgument("")] ref NoteText text)
    {
        TraceHash = Mix(TraceHash ^ (ulong)NowUs) ^ text.Hash;
        if (trace is not null)
            trace.WriteLine(FormattableString.Invariant($"{NowUs / 1e6,13:F6} {text.Text}"));
    }

    public static ulong Mix(ulong value)
    {
        value ^= value >> 33;
        value *= 0xFF51AFD7ED558CCD;
        value ^= value >> 33;
        value *= 0xC4CEB9FE1A85EC53;
        return value ^ (value >> 33);
    }

    /// <summary>Hashes what is said, and puts it together only when somebody reads it.</summary>
    [InterpolatedStringHandler]
    public ref struct NoteText
    {
        private readonly StringBuilder? _text;

        public NoteText(int literalLength, int formattedCount, World world)
        {
            Hash = (ulong)(literalLength * 31 + formattedCount);
            if (world.IsTraced)
                _text = new StringBuilder(literalLength + formattedCount * 8);
        }

        public ulong Hash { get; private set; }

        public readonly string Text => _text!.ToString();

        public void AppendLiteral(string literal)
        {
            Add(literal);
            _text?.Append(literal);
        }

        public void AppendFormatted(long value)
        {
            Hash = Mix(Hash ^ (ulong)value);
            _text?.Append(value);
        }

        public void AppendFormatted(string value)
        {
            Add(value);
            _text?.Append(value);
        }

        public void AppendFormatted(bool value) => AppendFormatted(value ? "yes" : "no");

        public void AppendFormatted<T>(T value) where T : struct, Enum
        {
            AppendName(Unsafe.SizeOf<T>() == 1 ? Unsafe.As<T, byte>(ref value) : Unsafe.As<T, int>(ref value));
            _text?.Append(value.ToString());
        }

        public void AppendFormatted(Engine.PlanId plan)
        {
            Hash = Mix(Hash ^ (ulong)plan.Value ^ (ulong)(plan.Value >> 64));
            _text?.Append(plan.ToString());
        }

        public void AppendFormatted(Engine.TaskKey key)
        {
            Hash = Mix(Hash ^ (ulong)key.Plan.Value ^ (ulong)(key.Plan.Value >> 64));
            Hash = Mix(Hash ^ (ulong)key.Occurrence ^ ((ulong)key.Hook << 48));
            _text?.Append(key.Plan).Append('/').Append(key.Occurrence).Append('/').Append(key.Hook);
        }

        private void AppendName(int value) => Hash = Mix(Hash ^ (ulong)value);

        private void Add(string text)
        {
            ulong hash = Hash;
            foreach (char letter in text)
                hash = (hash ^ letter) * 0x100000001B3;
            Hash = hash;
        }
    }
}
