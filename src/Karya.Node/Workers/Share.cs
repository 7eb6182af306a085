using Karya.Protocol.Messages;

namespace Karya.Node.Workers;

/// <summary>
/// How many of a pool's places the attempts of one node may take: this one's, or another one's, whose workers are
/// elsewhere or busy. Guarded by the desk's lock.
/// </summary>
/// <param name="host">The other node; null for this one.</param>
internal sealed class Share(NodeEndpoint? host)
{
    private int _peak;

    public NodeEndpoint? Host => host;

    /// <summary>Its node has workers of its own for the name: it gets what the others leave.</summary>
    public bool IsServed { get; set; }

    /// <summary>How many it may have at once.</summary>
    public int Places { get; private set; }

    /// <summary>How many it has, those that wait for a place included when they are another node's.</summary>
    public int Taken { get; private set; }

    public bool HasPlace => Taken < Places;

    public void Take() => _peak = Math.Max(_peak, ++Taken);

    public void GiveBack() => Taken--;

    /// <summary>
    /// Divides places among nodes: none has fewer than it asks for while another one has more than it (max-min
    /// fairness, Bertsekas and Gallager, Data Networks, 6.5.2). A node that has used all its places since the last time
    /// asks for all there are, others for a little more than they used. Nodes that have workers of their own come
    /// second, lest all of them work for each other across the network when all are busy. What nobody asks for is
    /// divided equally, lest who has been idle wait with what comes at once.
    /// </summary>
    /// <remarks>
    /// Each has at least one, even if there are more nodes than places: what then finds no place goes back.
    /// </remarks>
    public static void Divide(int places, IReadOnlyCollection<Share> shares)
    {
        var given = shares.Select(share => (Share: share, Places: share.Wanted(places)))
            .OrderBy(one => one.Share.IsServed).ThenBy(one => one.Places).ToArray();
        int needy = given.Count(one => !one.Share.IsServed);
        int left = Give(given.AsSpan(0, needy), places);
        left = Give(given.AsSpan(needy), left);
        for (int i = 0; i < given.Length; i++)
        {
            int rest = left / (given.Length - i);
            left -= rest;
            given[i].Share.Places = places == 0 ? 0 : Math.Max(1, given[i].Places + rest);
            given[i].Share._peak = given[i].Share.Taken;
        }
    }

    /// <param name="asked">In the order of what they ask for.</param>
    /// <param name="left">What there is.</param>
    /// <returns>What is left.</returns>
    private static int Give(Span<(Share Share, int Places)> asked, int left)
    {
        for (int i = 0; i < asked.Length; i++)
        {
            asked[i].Places = Math.Min(asked[i].Places, left / (asked.Length - i));
            left -= asked[i].Places;
        }

        return left;
    }

    private int Wanted(int places) =>
        Places > 0 && _peak >= Places ? places : Math.Min(places, _peak + _peak / 4 + 1);
}
