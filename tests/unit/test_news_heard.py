"""What is told a moment before somebody listens reaches him, if he wants it."""

import asyncio

from diemcau_controller.actions.news import News


def test_what_was_told_while_a_page_was_on_its_way_is_heard() -> None:
    async def story() -> None:
        news = News()
        news.attach(asyncio.get_running_loop())
        news.tell("session", meeting="m1")
        await asyncio.sleep(0)
        with news.listen(since_s=10) as late, news.listen() as fresh:
            news.tell("floor", meeting="m1")
            await asyncio.sleep(0)
            assert [late.get_nowait().kind for _ in range(late.qsize())] == ["session", "floor"]
            assert [fresh.get_nowait().kind for _ in range(fresh.qsize())] == ["floor"]

    asyncio.run(story())
