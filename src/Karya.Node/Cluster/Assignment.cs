using System.IO.Hashing;
using System.Numerics;
using System.Text;
using Karya.Engine;

namespace Karya.Node.Cluster;

/// <summary>
/// Who should own which partition: a function of the members and of the current owners and of nothing else, so that
/// every node that reads the same lease table comes to the same answer. Any thread may call it.
/// </summary>
/// <remarks>
/// <para>
/// How many: the members alone decide. One partition after the other goes to the member with the highest weight / what
/// it has so far (Adams' method of apportionment; Balinski and Young, Fair Representation, 1982). The steps stand in
/// one order, in which a further member only inserts its own: so it lowers the counts of the others and raises none,
/// whatever the weights. Nobody has more than its fair share, rounded up. With equal weights counts differ by one at
/// most; with others nobody has less than its fair share x (1 - members / partitions). Not by rounding each share up or
/// down, which comes nearer to it: there a small newcomer can move partitions among the others.
/// </para>
/// <para>
/// Which: an owner keeps what it has, up to its count. For what is left over, the best pairs of partition and member
/// go first, by weighted rendezvous hashing (Thaler and Ravishankar 1998; weights by -ln(u) / w). Where the wanted
/// owners are the current ones, a member that joins takes its count and nothing else moves; of one that leaves, only
/// what it had. Half of the moves carried out, or released and not yet claimed, the wanted owners are still the same,
/// so nodes may look at any moment. Its own answer it leaves alone.
/// </para>
/// <para>
/// Why not from the members alone: where a newcomer only takes, the choice for a partition never turns between two
/// old members, so each partition has one fixed order of all names, and its owner is the first of those present.
/// Among more than 2^(2^(partitions - 1)) names, three stand in the same order, or its reverse, in every partition
/// (Erdős and Szekeres 1935, once per further partition). Of these three the middle one is nowhere the first and owns
/// nothing, where a third is due. Plain rendezvous hashing is such a choice: of 8 members with 256 partitions the one
/// furthest off misses the mean by 29 %. Bounded loads (Mirrokni, Thorup and Zadimoghaddam 2018) keep the counts and
/// pay with moves. This function too, if nobody told it the current owners: a ninth member would move 1.3 times as
/// many of 256 partitions as it takes, a 64th 3.5 times. Told them, exactly as many; and a member that leaves and
/// comes back has two thirds of what it had before.
/// </para>
/// </remarks>
internal static class Assignment
{
    /// <summary>No member's index.</summary>
    private const int Nobody = -1;

    /// <summary>Terms of the series of a logarithm: what is left out is below 9^-16.</summary>
    private const int LogarithmTerms = 16;

    /// <summary>The owner that each partition should have; all null when there are no members.</summary>
    /// <param name="members">In any order, each name once.</param>
    /// <param name="current">
    /// Of each partition, the name of its owner by the lease table, alive or not; null when it has none.
    /// </param>
    public static string?[] Assign(IReadOnlyList<Member> members, IReadOnlyList<string?> current)
    {
        var wanted = new string?[current.Count];
        if (members.Count == 0)
            return wanted;

        var sorted = Sorted(members);
        var owners = OwnersAmong(sorted, current);
        int[] missing = Counts(sorted, current.Count); // What each should have less what it has.
        foreach (int owner in owners)
        {
            if (owner != Nobody)
                missing[owner]--;
        }

        Move(Candidates(sorted, owners, missing), owners, missing);
        for (int partition = 0; partition < wanted.Length; partition++)
            wanted[partition] = sorted[owners[partition]].Name;
        return wanted;
    }

    /// <summary>
    /// How many of the members stand before this one in the partition's own order of them: 0 for its first choice, the
    /// number of all for a node that is none of them. Who is behind waits longer before it claims an orphan.
    /// </summary>
    public static int RankOf(string name, IReadOnlyList<Member> members, int partition)
    {
        var sorted = Sorted(members);
        int self = Array.FindIndex(sorted, member => member.Name == name);
        if (self < 0)
            return sorted.Length;

        var own = CandidateOf(self);
        int before = 0;
        for (int index = 0; index < sorted.Length; index++)
        {
            if (CandidateOf(index).CompareTo(own) < 0)
                before++;
        }

        return before;

        Candidate CandidateOf(int index) =>
            new(Cost(HashOf(sorted[index].Name), partition, sorted[index].Weight), partition, index);
    }

    private static Member[] Sorted(IReadOnlyList<Member> members)
    {
        var sorted = members.ToArray();
        Array.Sort(sorted, (left, right) => string.CompareOrdinal(left.Name, right.Name));
        for (int index = 0; index < sorted.Length; index++)
        {
            Invariant.Check(sorted[index].Weight >= 1);
            Invariant.Check(index == 0 || sorted[index].Name != sorted[index - 1].Name);
        }

        return sorted;
    }

    private static int[] OwnersAmong(Member[] sorted, IReadOnlyList<string?> current)
    {
        var indexOf = new Dictionary<string, int>(StringComparer.Ordinal);
        for (int index = 0; index < sorted.Length; index++)
            indexOf.Add(sorted[index].Name, index);

        var owners = new int[current.Count];
        for (int partition = 0; partition < owners.Length; partition++)
        {
            owners[partition] = current[partition] is { } name ? indexOf.GetValueOrDefault(name, Nobody) : Nobody;
        }

        return owners;
    }

    /// <summary>Of how many partitions each should be the owner; their sum is the number of partitions.</summary>
    private static int[] Counts(Member[] sorted, int partitionCount)
    {
        var counts = new int[sorted.Length];
        for (int given = 0; given < partitionCount; given++)
        {
            int next = 0;
            for (int index = 1; index < sorted.Length; index++)
            {
                if (IsBefore(sorted[index].Weight, counts[index], sorted[next].Weight, counts[next]))
                    next = index;
            }

            counts[next]++;
        }

        return counts;
    }

    /// <summary>
    /// Whether weight / count is higher, nothing being divided; then the heavier one, and of equals the first by name.
    /// </summary>
    private static bool IsBefore(int weight, int count, int thanWeight, int thanCount)
    {
        long difference = ((long)weight * thanCount) - ((long)thanWeight * count);
        return difference > 0 || (difference == 0 && weight > thanWeight);
    }

    /// <summary>Every partition that may move with every member that lacks some, the best pair first.</summary>
    private static List<Candidate> Candidates(Member[] sorted, int[] owners, int[] missing)
    {
        var candidates = new List<Candidate>();
        for (int index = 0; index < sorted.Length; index++)
        {
            if (missing[index] <= 0)
                continue;

            ulong hash = HashOf(sorted[index].Name);
            for (int partition = 0; partition < owners.Length; partition++)
            {
                if (MayMove(owners[partition], missing))
                    candidates.Add(new Candidate(Cost(hash, partition, sorted[index].Weight), partition, index));
            }
        }

        candidates.Sort();
        return candidates;
    }

    /// <summary>
    /// Moves until nobody lacks one. Each partition that has to move finds one who lacks it, as it was paired with all
    /// of them, and a pair is passed over only for good.
    /// </summary>
    private static void Move(List<Candidate> candidates, int[] owners, int[] missing)
    {
        foreach (var candidate in candidates)
        {
            int owner = owners[candidate.Partition];
            if (missing[candidate.Index] <= 0 || !MayMove(owner, missing))
                continue;

            if (owner != Nobody)
                missing[owner]++;
            missing[candidate.Index]--;
            owners[candidate.Partition] = candidate.Index;
        }

        Invariant.Check(Array.TrueForAll(missing, count => count == 0));
    }

    private static bool MayMove(int owner, int[] missing) => owner == Nobody || missing[owner] < 0;

    private static ulong HashOf(string name) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(name));

    /// <summary>
    /// -ln(u) / w, where u in (0, 1) is the partition's number of a SplitMix64 sequence (Steele, Lea and Flood 2014)
    /// that starts at the hash of the name.
    /// </summary>
    private static double Cost(ulong nameHash, int partition, int weight)
    {
        ulong mixed = unchecked(nameHash + (((ulong)partition + 1) * 0x9E3779B97F4A7C15));
        mixed = unchecked((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9);
        mixed = unchecked((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB);
        return NegativeLogarithm(mixed ^ (mixed >> 31)) / weight;
    }

    /// <summary>
    /// -ln(bits / 2^64). Not by <see cref="Math.Log(double)" />, whose last bit depends on the processor and the
    /// system, while all nodes have to agree: nothing but operations that IEEE 754 rounds in one way.
    /// </summary>
    private static double NegativeLogarithm(ulong bits)
    {
        const double LogarithmOfTwo = 0.693147180559945309417;

        int zeros = BitOperations.LeadingZeroCount(bits | 1);
        double mantissa = ((bits | 1) << zeros >> 11) * (1.0 / (1L << 52)); // From 1 to 2, x 2^(63 - zeros).
        double ratio = (mantissa - 1) / (mantissa + 1);
        double square = ratio * ratio;
        double sum = 0;
        for (int term = LogarithmTerms - 1; term >= 0; term--)
            sum = (sum * square) + (1.0 / ((2 * term) + 1)); // ln(m) = 2 artanh(r) = 2 (r + r^3 / 3 + r^5 / 5 ...).
        return ((zeros + 1) * LogarithmOfTwo) - (2 * ratio * sum);
    }

    /// <summary>A partition and a member that could take it; a lower cost goes first.</summary>
    private readonly record struct Candidate(double Cost, int Partition, int Index) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other)
        {
            int order = Cost.CompareTo(other.Cost);
            if (order == 0)
                order = Partition.CompareTo(other.Partition);
            return order != 0 ? order : Index.CompareTo(other.Index);
        }
    }
}
